"""Turns the engine's event stream into progress lines, changes and complaints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from controlplane.pulumi.errors import Complaint
from controlplane.reconciler.ports import Change, Progress
from stacks.backend import STACK, name_of
from stacks.faults import ADOPTED

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
"""The engine's words to ours. The other halves of a replacement are not counted again."""
DOING = {
    "create": ("creating", "created"),
    "update": ("updating", "updated"),
    "create-replacement": ("replacing", "replaced"),
    "delete": ("deleting", "deleted"),
    "delete-replaced": ("deleting replaced", "deleted replaced"),
    "import": ("adopting", "adopted"),
}
INTERNAL = (STACK, "pulumi:providers:")
COLOUR = re.compile(r"<\{%.*?%\}>")
CONSEQUENCE = "ResourceRegistrationFailed"
"""What the SDK raises for a resource that the engine has complained about already."""


@dataclass
class Listener:
    """Hears one operation's events."""

    progress: Progress
    changes: dict[str, Change] = field(default_factory=dict)
    """By URN."""
    complaints: list[Complaint] = field(default_factory=list)
    noise: list[str] = field(default_factory=list)
    """What the engine said outside its stream: start-up errors."""
    adopted: bool = False

    def hear(self, event: Event) -> None:
        """Take one event."""
        if "resourcePreEvent" in event:
            self._step(event["resourcePreEvent"]["metadata"], done=False)
        elif "resOutputsEvent" in event:
            self._step(event["resOutputsEvent"]["metadata"], done=True)
        elif "resOpFailedEvent" in event:
            name = name_of(event["resOpFailedEvent"]["metadata"]["urn"])
            self.progress(f"{name}: failed")
        elif "diagnosticEvent" in event:
            self._said(event["diagnosticEvent"])

    def _step(self, metadata: Event, *, done: bool) -> None:
        kind, urn = str(metadata["type"]), str(metadata["urn"])
        if kind.startswith(INTERNAL):
            return
        operation = OPERATIONS.get(metadata["op"])
        if operation is not None:
            details = metadata.get("diffs") or metadata.get("keys") or ()
            self.changes[urn] = Change(operation, kind, name_of(urn), tuple(details))
        words = DOING.get(metadata["op"])
        if words is not None:
            self.progress(f"{name_of(urn)}: {words[done]} {kind.rpartition(':')[2]}")

    def _said(self, diagnostic: Event) -> None:
        text = COLOUR.sub("", str(diagnostic.get("message", ""))).strip()
        urn = diagnostic.get("urn") or ""
        name = None if not urn or STACK in urn else name_of(urn)
        severity = diagnostic.get("severity")
        if CONSEQUENCE in text:
            return
        if f"[{ADOPTED}]" in text:
            self.adopted = True
        if severity == "error":
            self.complaints.append(Complaint(name, text))
        if text and severity != "debug":
            self.progress(f"{name}: {text}" if name and not text.startswith(name) else text)
