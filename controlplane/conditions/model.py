"""Conditions: what is known of a tenant and its parts, and how parts add up to the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from controlplane.database import storable

TENANT = "tenant"


class Type(StrEnum):
    """What a condition is about."""

    READY = "Ready"
    INFRASTRUCTURE = "InfrastructureReady"
    DNS = "DnsReady"
    CONFIGURED = "HostsConfigured"
    IDENTITY = "IdentityReady"
    VERIFIED = "Verified"
    SENDING = "SendingEnabled"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    DRIFTED = "Drifted"
    PAUSED = "Paused"
    DELETING = "Deleting"


class Status(StrEnum):
    """As in Kubernetes."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


NOT_YET_REPORTED = "NotYetReported"
HOSTS_UNAVAILABLE = "HostsUnavailable"

OF_TENANT = tuple(Type)
OF_HOST = (Type.READY, Type.INFRASTRUCTURE, Type.DNS, Type.CONFIGURED, Type.VERIFIED)
OF_ADDRESS = (Type.READY, Type.INFRASTRUCTURE, Type.DNS, Type.VERIFIED)
OF_DOMAIN = (Type.READY, Type.DNS, Type.SENDING)

STEPS = (Type.INFRASTRUCTURE, Type.DNS, Type.CONFIGURED, Type.VERIFIED, Type.SENDING)
"""What a tenant needs to be Ready, in the order in which it comes true."""


@dataclass(frozen=True)
class Condition:
    """One statement about `tenant`, `host/mx1`, `address/mx1-2` or `domain/acme.example`."""

    subject: str
    type: Type
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


def unknown(reason: str, message: str) -> Verdict:
    """Return a verdict that nothing could be seen."""
    return Verdict(Status.UNKNOWN, reason, message)


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
                return Verdict(status, verdict.reason, f"{subject}: {verdict.message}")
    if not acting and waiting:
        subject, verdict = known[0]
        return Verdict(Status.FALSE, verdict.reason, f"{subject}: {verdict.message}", waits=True)
    return ok(reason, f"waiting: {', '.join(waiting)}" if waiting else "")


Changed = Callable[[Condition, Condition | None], None]


class Conditions:
    """The conditions of one tenant. Setting an equal one changes nothing."""

    def __init__(
        self, known: Iterable[Condition], *, generation: int, clock: Callable[[], datetime]
    ) -> None:
        self._known = {(c.subject, c.type): c for c in known}
        self._generation = generation
        self._clock = clock
        self._changed: dict[tuple[str, Type], Condition] = {}
        self._transitions: list[Condition] = []

    def __iter__(self) -> Iterator[Condition]:
        """Iterate over all conditions."""
        return iter(self._known.values())

    def get(self, subject: str, type_: Type) -> Condition | None:
        """Return one condition."""
        return self._known.get((subject, type_))

    def is_true(self, subject: str, type_: Type) -> bool:
        """Tell whether a condition is known to hold."""
        found = self.get(subject, type_)
        return found is not None and found.status is Status.TRUE

    def begin(self, subjects: Mapping[str, Iterable[Type]]) -> None:
        """Give every subject its conditions at the first visit; forget subjects that are gone."""
        for subject, types in subjects.items():
            for type_ in types:
                if (subject, type_) not in self._known:
                    self.set(subject, type_, unknown(NOT_YET_REPORTED, "nobody has looked yet"))
        for key in [key for key in self._known if key[0] not in subjects]:
            del self._known[key]
            self._changed.pop(key, None)

    def set(self, subject: str, type_: Type, verdict: Verdict) -> None:
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
        if moved and verdict.reason != NOT_YET_REPORTED:
            self._transitions.append(after)

    def mark_reconciling(self, reason: str, message: str) -> None:
        """Say that work goes on; then it is neither stalled nor ready."""
        self.set(TENANT, Type.RECONCILING, ok(reason, message))
        self.set(TENANT, Type.STALLED, bad("Progressing", ""))
        self.set(TENANT, Type.READY, bad(reason, message))

    def mark_stalled(self, reason: str, message: str) -> None:
        """Say that nothing more happens before somebody acts."""
        self.set(TENANT, Type.STALLED, ok(reason, message))
        self.set(TENANT, Type.RECONCILING, bad("Stalled", ""))
        self.set(TENANT, Type.READY, bad(reason, message))

    def mark_ready(self, message: str) -> None:
        """Say that reality is as it should be."""
        self.set(TENANT, Type.RECONCILING, bad("Done", ""))
        self.set(TENANT, Type.STALLED, bad("Done", ""))
        self.set(TENANT, Type.READY, ok("Ready", message))

    def mark_resting(self, reason: str, message: str) -> None:
        """Say that all that can be done here is done, and that it is not enough to be Ready."""
        self.set(TENANT, Type.RECONCILING, bad("Done", ""))
        self.set(TENANT, Type.STALLED, bad("Done", ""))
        self.set(TENANT, Type.READY, unknown(reason, message))

    def take_changes(self) -> tuple[list[Condition], list[Condition]]:
        """Return what has to be written, and which statuses moved, since the last time."""
        changed, moved = list(self._changed.values()), self._transitions
        self._changed, self._transitions = {}, []
        return changed, moved
