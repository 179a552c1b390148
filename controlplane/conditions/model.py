"""Conditions: what is known of a tenant and its parts, and how parts add up to the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from kit.database import storable

TENANT = "tenant"

READY = "Ready"
AVAILABLE = "Available"
SYNCED = "Synced"
RECONCILING = "Reconciling"
STALLED = "Stalled"
DRIFTED = "Drifted"
PAUSED = "Paused"
DELETING = "Deleting"

TENANT_READY = "mail flows and the last accepted document is applied; of a part: all of it is well"
SUMMARY = {
    AVAILABLE: "mail flows from at least one domain",
    SYNCED: "the last accepted document is applied",
}
"""What is added up from the phases' conditions of a tenant."""
FLAGS = {
    RECONCILING: "work goes on",
    STALLED: "nothing that failed is tried again before the document is applied again",
    DRIFTED: "the cloud was changed by another program or person",
    PAUSED: "an operator paused the tenant",
    DELETING: "the tenant is being deleted",
}
"""Conditions of a tenant whose usual status is False."""


class Status(StrEnum):
    """As in Kubernetes."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


NOT_YET_REPORTED = "NotYetReported"
PROVISIONED = "Provisioned"
"""Reason of a host or an address that exists; the message is its IPv4 address."""


@dataclass(frozen=True)
class Condition:
    """One statement about `tenant`, `host/mx1`, `address/mx1-2`, `domain/acme.example` or
    `mailbox/sales@acme.example`."""

    subject: str
    type: str
    """Any text: another version may know more types than this one."""
    status: Status
    reason: str
    message: str
    observed_generation: int
    last_transition_at: datetime


@dataclass(frozen=True)
class Verdict:
    """What a look at something says, before it becomes a condition."""

    status: Status
    reason: str
    message: str
    waits: bool = False
    """Somebody outside has to act first; holds back only its own subject."""


def ok(reason: str, message: str = "") -> Verdict:
    """Return a verdict that all is well."""
    return Verdict(Status.TRUE, reason, message)


def bad(reason: str, message: str, *, waits: bool = False) -> Verdict:
    """Return a verdict that something is wrong or not there yet."""
    return Verdict(Status.FALSE, reason, message, waits)


def unknown(reason: str, message: str, *, waits: bool = False) -> Verdict:
    """Return a verdict that nothing could be seen."""
    return Verdict(Status.UNKNOWN, reason, message, waits)


def aggregate(parts: Iterable[tuple[str, Verdict]], reason: str) -> Verdict:
    """Add up the verdicts of parts: the first that is wrong decides, those that wait do not.

    When every part waits, so does the whole. The message names who waits.
    """
    known = list(parts)
    waiting = [subject for subject, verdict in known if verdict.waits]
    acting = [(subject, verdict) for subject, verdict in known if not verdict.waits]
    for status in (Status.FALSE, Status.UNKNOWN):
        for subject, verdict in acting:
            if verdict.status is status:
                return Verdict(status, verdict.reason, _of(subject, verdict))
    if not acting and waiting:
        subject, verdict = known[0]
        return Verdict(verdict.status, verdict.reason, _of(subject, verdict), waits=True)
    return ok(reason, f"waiting: {', '.join(waiting)}" if waiting else "")


def _of(subject: str, verdict: Verdict) -> str:
    """Return the message with its subject, unless it names that itself."""
    prefix = f"{subject}: "
    return prefix + verdict.message.removeprefix(prefix)


class Conditions:
    """The conditions of one tenant. Setting an equal one changes nothing."""

    def __init__(
        self, known: Iterable[Condition], *, generation: int, clock: Callable[[], datetime]
    ) -> None:
        self._known = {(c.subject, c.type): c for c in known}
        self._generation = generation
        self._clock = clock
        self._changed: dict[tuple[str, str], Condition] = {}
        self._transitions: list[Condition] = []

    def __iter__(self) -> Iterator[Condition]:
        """Iterate over all conditions."""
        return iter(self._known.values())

    @property
    def subjects(self) -> list[str]:
        """The subjects that have conditions."""
        return list({subject for subject, _ in self._known})

    def get(self, subject: str, type_: str) -> Condition | None:
        """Return one condition."""
        return self._known.get((subject, type_))

    def is_true(self, subject: str, type_: str) -> bool:
        """Tell whether a condition is known to hold."""
        found = self.get(subject, type_)
        return found is not None and found.status is Status.TRUE

    def begin(self, subjects: Mapping[str, Iterable[str]]) -> None:
        """Give every subject its conditions at the first pass; forget subjects that are gone."""
        for subject, types in subjects.items():
            for type_ in types:
                if (subject, type_) not in self._known:
                    self.set(subject, type_, unknown(NOT_YET_REPORTED, "not looked at yet"))
        for key in [key for key in self._known if key[0] not in subjects]:
            del self._known[key]
            self._changed.pop(key, None)

    def set(self, subject: str, type_: str, verdict: Verdict) -> None:
        """Record what is known now."""
        before = self.get(subject, type_)
        moved = before is None or before.status is not verdict.status
        after = Condition(
            subject,
            type_,
            verdict.status,
            verdict.reason,
            storable(verdict.message),
            self._generation,
            self._clock() if moved or before is None else before.last_transition_at,
        )
        if after == before:
            return
        self._known[subject, type_] = after
        self._changed[subject, type_] = after
        if moved and not _is_start(before, after):
            self._transitions.append(after)

    def take_changes(self) -> tuple[list[Condition], list[Condition]]:
        """Return what has to be written, and which statuses moved, since the last time."""
        changed, moved = list(self._changed.values()), self._transitions
        self._changed, self._transitions = {}, []
        return changed, moved


def _is_start(before: Condition | None, after: Condition) -> bool:
    """Tell whether nothing has happened yet: not looked at, or a flag that was never raised."""
    was_raised = before is not None and before.status is Status.TRUE
    is_lowered = after.type in FLAGS and after.status is Status.FALSE
    return after.reason == NOT_YET_REPORTED or (is_lowered and not was_raised)
