"""Turns the engine's event stream into progress lines, changes and diagnostics."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from controlplane.pulumi.errors import Diagnostic
from controlplane.pulumi.state import held_zones
from controlplane.reconciler.ports import Change, Held, Progress
from stacks.backend import STACK, name_of
from stacks.faults import ADOPTED, FORGOTTEN

Event = Mapping[str, Any]
Operation = Literal["create", "update", "replace", "delete", "import"]

OPERATIONS: dict[str, Operation] = {
    "create": "create",
    "update": "update",
    "replace": "replace",
    "create-replacement": "replace",
    "delete": "delete",
    "import": "import",
    "import-replacement": "import",
}
"""Maps operations of the engine to those of a plan; other steps of a replacement are ignored."""
VERBS = {
    "create": ("creating", "created"),
    "update": ("updating", "updated"),
    "create-replacement": ("replacing", "replaced"),
    "delete": ("deleting", "deleted"),
    "delete-replaced": ("deleting replaced", "deleted replaced"),
    "import": ("adopting", "adopted"),
}
INTERNAL = (STACK, "pulumi:providers:")
COLOUR = re.compile(r"<\{%.*?%\}>")
ERROR = re.compile(r"error: |panic: |fatal error: |\[[a-z]+\.[a-z_]+\] ")
"""Begins a line of the engine, or a fault of its operation's process."""
PASSWORD = re.compile(r"(\w://[^\s/:@]*):[^\s/@]+@")
"""In a URL: the engine quotes the state's URL if it cannot connect."""
CONSEQUENCE = "ResourceRegistrationFailed"
"""Error of the SDK for a resource whose failure the engine has reported already."""


@dataclass
class Listener:
    """Handles the events of one operation."""

    progress: Progress
    changes: dict[str, Change] = field(default_factory=dict)
    """By URN."""
    diagnostics: list[Diagnostic] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    """Lines outside the event stream: start-up errors."""
    must_repeat: bool = False
    """Whether the program prepared something that the next run completes."""
    held: tuple[Held, ...] = ()

    def handle(self, event: Event) -> None:
        """Handle one event."""
        if "resourcePreEvent" in event:
            self._step(event["resourcePreEvent"]["metadata"], done=False)
        elif "resOutputsEvent" in event:
            self._step(event["resOutputsEvent"]["metadata"], done=True)
        elif "resOpFailedEvent" in event:
            name = name_of(event["resOpFailedEvent"]["metadata"]["urn"])
            self.progress(f"{name}: failed")
        elif "diagnosticEvent" in event:
            self._diagnostic(event["diagnosticEvent"])

    def handle_line(self, line: str) -> None:
        """Handle a line outside the event stream."""
        self.output.append(_without_passwords(line))

    def errors(self) -> list[str]:
        """Return what was printed outside the event stream from the first error on, else all."""
        begins = [number for number, line in enumerate(self.output) if ERROR.match(line)]
        return self.output[begins[0] :] if begins else self.output

    def _step(self, metadata: Event, *, done: bool) -> None:
        kind, urn = str(metadata["type"]), str(metadata["urn"])
        if kind == STACK and done:
            self.held = held_zones((metadata.get("new") or {}).get("outputs") or {})
        if kind.startswith(INTERNAL):
            return
        operation = OPERATIONS.get(metadata["op"])
        if operation is not None:
            details = metadata.get("diffs") or metadata.get("keys") or ()
            self.changes[urn] = Change(operation, kind, name_of(urn), tuple(details))
        verbs = VERBS.get(metadata["op"])
        if verbs is not None:
            self.progress(f"{name_of(urn)}: {verbs[done]} {kind.rpartition(':')[2]}")

    def _diagnostic(self, diagnostic: Event) -> None:
        text = _without_passwords(COLOUR.sub("", str(diagnostic.get("message", ""))).strip())
        urn = diagnostic.get("urn") or ""
        name = None if not urn or STACK in urn else name_of(urn)
        severity = diagnostic.get("severity")
        if CONSEQUENCE in text:
            return
        if f"[{ADOPTED}]" in text or f"[{FORGOTTEN}]" in text:
            self.must_repeat = True
        if severity == "error":
            self.diagnostics.append(Diagnostic(name, text))
        if text and severity != "debug":
            self.progress(f"{name}: {text}" if name and not text.startswith(name) else text)


def _without_passwords(text: str) -> str:
    """Return a text of the engine without the passwords of URLs."""
    return PASSWORD.sub(r"\1:***@", text)
