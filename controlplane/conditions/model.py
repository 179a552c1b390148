"""Conditions of a tenant and its parts, and their aggregation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from kit.database import storable
from kit.faults import Actor, Fault

TENANT = "tenant"

READY = "Ready"
AVAILABLE = "Available"
SYNCED = "Synced"
RECONCILING = "Reconciling"
STALLED = "Stalled"
DRIFTED = "Drifted"
PAUSED = "Paused"
SPAM_LISTED = "SpamListed"
DELETING = "Deleting"

TENANT_READY = "mail flows and the last accepted document is applied; of a part: it is usable"
SUMMARY = {
    AVAILABLE: "mail flows from at least one domain, and people's mail clients accept the "
    "certificate of its host",
    SYNCED: "the last accepted document is applied",
}
"""Aggregated from the phases' conditions of a tenant."""
FLAGS = {
    RECONCILING: "work is in progress",
    STALLED: "failed steps are not retried until the document is applied again",
    DRIFTED: "the cloud was changed by another program or person; the message says what",
    PAUSED: "an operator paused the tenant",
    SPAM_LISTED: "the provider lists mail of the tenant's hosts as spam; nothing is stopped",
    DELETING: "the tenant is being deleted",
}
"""Conditions of a tenant whose usual status is False."""


class Status(StrEnum):
    """As in Kubernetes."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


NOT_YET_REPORTED = "NotYetReported"
FOREIGN_STATE = "ForeignUpdate"
"""Reason of Drifted where another program or person has written the state: nothing is changed
before the next apply."""
PROVISIONED = "Provisioned"
"""Reason of a host or an address that exists; the message is its IPv4 address."""


@dataclass(frozen=True)
class Ask:
    """An action that a condition requires before it can change."""

    acts: Actor
    """Who has to act: a user, an operator or a provider."""
    remedy: str


def ask_of(acts: Actor, remedy: str) -> Ask | None:
    """Return the required action; None where none is needed."""
    return None if acts is Actor.NOBODY else Ask(acts, storable(remedy))


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
    ask: Ask | None = None
    """None also where another condition, on which this one depends, asks for it."""
    asked_at: datetime | None = None
    """Since when it is asked for, by reason."""


@dataclass(frozen=True)
class Verdict:
    """The result of an observation, before it becomes a condition."""

    status: Status
    reason: str
    message: str
    waits: bool = False
    """A person or a provider has to act first; blocks only its own subject."""
    ask: Ask | None = None
    """The required action, where this verdict is the cause and not a consequence of another."""


def ok(reason: str, message: str = "", *, ask: Ask | None = None) -> Verdict:
    """Return a positive verdict."""
    return Verdict(Status.TRUE, reason, message, ask=ask)


def bad(reason: str, message: str, *, waits: bool = False, ask: Ask | None = None) -> Verdict:
    """Return a negative verdict."""
    return Verdict(Status.FALSE, reason, message, waits, ask)


def unknown(reason: str, message: str, *, waits: bool = False, ask: Ask | None = None) -> Verdict:
    """Return the verdict that nothing could be observed."""
    return Verdict(Status.UNKNOWN, reason, message, waits, ask)


def failed(fault: Fault) -> Verdict:
    """Return the negative verdict of a fault, which asks for its remedy."""
    return bad(fault.code.reason, fault.sentence, ask=ask_of(fault.code.acts, fault.remedy))


def aggregate(parts: Iterable[tuple[str, Verdict]], reason: str) -> Verdict:
    """Aggregate the verdicts of parts: the first negative one decides, unless it waits.

    When every part waits, so does the whole. The message names the parts that wait.
    """
    verdicts = list(parts)
    waiting = [subject for subject, verdict in verdicts if verdict.waits]
    acting = [(subject, verdict) for subject, verdict in verdicts if not verdict.waits]
    for status in (Status.FALSE, Status.UNKNOWN):
        for subject, verdict in acting:
            if verdict.status is status:
                return Verdict(status, verdict.reason, _message(subject, verdict))
    if not acting and waiting:
        subject, verdict = verdicts[0]
        return Verdict(verdict.status, verdict.reason, _message(subject, verdict), waits=True)
    return ok(reason, f"waiting: {', '.join(waiting)}" if waiting else "")


def _message(subject: str, verdict: Verdict) -> str:
    """Return the message with its subject as prefix, unless it has that already."""
    prefix = f"{subject}: "
    return prefix + verdict.message.removeprefix(prefix)


class Conditions:
    """The conditions of one tenant. Setting an unchanged one has no effect."""

    def __init__(
        self, loaded: Iterable[Condition], *, generation: int, clock: Callable[[], datetime]
    ) -> None:
        self._current = {(c.subject, c.type): c for c in loaded}
        self._generation = generation
        self._clock = clock
        self._changed: dict[tuple[str, str], Condition] = {}
        self._transitions: list[Condition] = []
        self._has_dropped = False
        self.changes = 0
        """How often one was changed, added or dropped."""

    def __iter__(self) -> Iterator[Condition]:
        """Iterate over all conditions."""
        return iter(self._current.values())

    @property
    def subjects(self) -> list[str]:
        """The subjects that have conditions."""
        return list({subject for subject, _ in self._current})

    def get(self, subject: str, type_: str) -> Condition | None:
        """Return one condition."""
        return self._current.get((subject, type_))

    def is_true(self, subject: str, type_: str) -> bool:
        """Return whether a condition is True."""
        current = self.get(subject, type_)
        return current is not None and current.status is Status.TRUE

    def begin(self, subjects: Mapping[str, Iterable[str]]) -> None:
        """Add missing conditions of every subject; drop those of subjects that no longer exist."""
        for subject, types in subjects.items():
            for type_ in types:
                if (subject, type_) not in self._current:
                    self.set(subject, type_, unknown(NOT_YET_REPORTED, "not observed yet"))
        for key in [key for key in self._current if key[0] not in subjects]:
            del self._current[key]
            self._changed.pop(key, None)
            self._has_dropped = True
            self.changes += 1

    def set(self, subject: str, type_: str, verdict: Verdict) -> None:
        """Set a condition."""
        before = self.get(subject, type_)
        has_transitioned = before is None or before.status is not verdict.status
        now = self._clock()
        after = Condition(
            subject,
            type_,
            verdict.status,
            verdict.reason,
            storable(verdict.message),
            self._generation,
            now if has_transitioned or before is None else before.last_transition_at,
            verdict.ask,
            None if verdict.ask is None else _asked_before(before, verdict) or now,
        )
        if after == before:
            return
        self.changes += 1
        self._current[subject, type_] = after
        self._changed[subject, type_] = after
        if has_transitioned and not _is_initial(before, after):
            self._transitions.append(after)

    @property
    def has_changes(self) -> bool:
        """Whether something is to be written since the last call of `take_changes`."""
        return bool(self._changed) or self._has_dropped

    def take_changes(self) -> tuple[list[Condition], list[Condition]]:
        """Return the conditions to write, and those whose status changed, since the last call."""
        changed, transitions = list(self._changed.values()), self._transitions
        self._changed, self._transitions, self._has_dropped = {}, [], False
        return changed, transitions


def _asked_before(before: Condition | None, verdict: Verdict) -> datetime | None:
    """Return since when the same is asked for."""
    return before.asked_at if before is not None and before.reason == verdict.reason else None


def _is_initial(before: Condition | None, after: Condition) -> bool:
    """Return whether a condition needs no event: not observed, or a flag that was never True."""
    was_raised = before is not None and before.status is Status.TRUE
    is_lowered = after.type in FLAGS and after.status is Status.FALSE
    return after.reason == NOT_YET_REPORTED or (is_lowered and not was_raised)
