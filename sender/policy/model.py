"""What the policy counts, holds and decides about."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, Self

from blueprint.hours import Hours
from sender.policy.spreading import BURST, Pace
from sender.schemas import Stop


class Kind(StrEnum):
    """What receivers judge, each by itself; a tenant is none of it, but can be held."""

    ADDRESS = "address"
    """An egress address by its number: another number at the same name is another subject."""
    DOMAIN = "domain"
    """A From domain."""
    MAILBOX = "mailbox"
    PROVIDER = "provider"
    """`198.18.1.2/google`: an address as one provider knows it; `google`: the provider itself,
    which can only be held."""
    TENANT = "tenant"

    __hash__ = str.__hash__
    """That of enumerations is a function in Python, and each mail looks several subjects up."""


class Subject(NamedTuple):
    """One thing that is counted, warmed up or held."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        """Return it in words: `address 198.18.1.2`; a tenant, which only its id names, without."""
        return "the tenant" if self.kind is Kind.TENANT else f"{self.kind} {self.name}"


def at_provider(ip: str, provider: str) -> Subject:
    """Return an address as one provider knows it."""
    return Subject(Kind.PROVIDER, f"{ip}/{provider}")


class Warm(NamedTuple):
    """Where a subject is in its warm-up, and what it has sent."""

    subject: Subject
    day: int = 1
    """Of its curve."""
    used: int = 0
    """Today."""
    used_in_hour: int = 0


@dataclass(frozen=True, slots=True)
class Cap:
    """How much a subject may send today."""

    subject: Subject
    most: int
    """A day."""
    curve: int
    """What the warm-up alone allows: a day counts as good by this."""
    used: int = 0
    used_in_hour: int = 0
    sharers: int = 1
    """Buckets with mail that share it."""
    burst: int = BURST
    """Mails that an hour lets through at least."""

    @property
    def most_in_hour(self) -> int:
        """Return a fifth of the day's cap; a burst may always go, and never more than the day."""
        return min(self.most, max(self.burst, self.most // HOURS_AT_LEAST))

    @property
    def left(self) -> int:
        """Return what is left of the day."""
        return max(0, self.most - self.used)

    @property
    def left_in_hour(self) -> int:
        """Return what is left of the hour."""
        return min(self.left, max(0, self.most_in_hour - self.used_in_hour))


HOURS_AT_LEAST = 5
"""Hours over which a day's cap is spread at least."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A subject that sends nothing for now."""

    subject: Subject
    reason: str
    """A code of `sender.reasons`."""
    words: str
    until: datetime | None
    """None: until somebody releases it."""


class AddressState(StrEnum):
    """Whether an address takes mail."""

    READY = "ready"
    NOT_READY = "not_ready"
    """Its PTR, TLS or relay test has not passed."""
    DRAINING = "draining"
    """It takes no new mail; its host's spool empties, then it is released."""


@dataclass(frozen=True, slots=True)
class Egress:
    """An address that mail of a bucket could leave from."""

    name: str
    """`mx1-2`."""
    ip: str
    state: AddressState
    cap: Cap
    provider_cap: Cap
    """Of this address at the bucket's provider."""
    stop: Stop | None = None
    hold: Hold | None = None
    homes: int = 0
    """Pairs of From domain and provider that it is the home of."""

    @property
    def is_usable(self) -> bool:
        """Return whether it may send, if its caps let it."""
        return self.state is AddressState.READY and self.stop is None and self.hold is None

    @property
    def left(self) -> int:
        """Return what it may still send to the provider today."""
        return min(self.cap.left, self.provider_cap.left)


@dataclass(frozen=True, slots=True)
class BucketSnapshot:
    """All that is known of a bucket at one moment."""

    now: datetime
    """The database's."""
    mailbox: str
    """That the From address counts as; the address itself where it is unknown."""
    domain: str
    provider: str | None
    """None: the recipient's domain has not been resolved."""
    is_published: bool
    """False: the sender's directory does not know the tenant."""
    has_domain: bool
    has_mailbox: bool
    has_footer: bool
    """True also for mail that needs none."""
    is_verified: bool
    domain_cap: Cap
    mailbox_cap: Cap
    addresses: tuple[Egress, ...]
    """Only the home where it has a place: the others do not count then."""
    home: str | None
    """Name of the address that is the home of From domain and provider."""
    stops: tuple[Stop, ...] = ()
    """Of platform, tenant and domain; the widest first."""
    holds: tuple[Hold, ...] = ()
    """Of tenant, domain, mailbox and provider."""
    hours: Hours | None = None
    """The tenant's sending hours; None for mail that does not wait for them: replies, transactional
    mail and that of operators."""
    pace: Pace | None = None
    unresolved: str | None = None
    """Why the recipient's domain has no provider yet, where it was looked up."""


@dataclass(frozen=True, slots=True)
class Credit:
    """How much of a bucket may be handed over now, and if nothing, why and until when."""

    count: int
    reason: str
    """A code of `sender.reasons`."""
    words: str
    until: datetime | None = None
    """When it may change by itself; None: when somebody acts. Only where `count` is 0."""
    egress: Egress | None = None
    """The address of this batch; None where `count` is 0."""
    caps: tuple[Cap, ...] = ()
    """What each hand-over counts against."""
    settles_home: bool = False
    """True when the address becomes the home of From domain and provider."""
    rate: float | None = None
    """Mails a second that leave in the tenant's hours; None: they do not wait for each other."""
    saved: int | None = None
    """Mails that may go at once, of the bucket's mailbox to the provider; None with the rate."""

    def hand_over(self, now: datetime) -> HandOver:
        """Return what a hand-over of this credit takes; `now` is that of the snapshot."""
        places = tuple(Place(c.subject, c.most, c.most_in_hour, c.curve) for c in self.caps)
        return HandOver(places, Hour.of(now))


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour of a UTC day."""

    day: date
    hour: int

    @classmethod
    def of(cls, now: datetime) -> Hour:
        """Return the hour of a moment."""
        at = now.astimezone(UTC)
        return cls(at.date(), at.hour)


@dataclass(frozen=True, slots=True)
class Place:
    """One mail's place in the cap of a subject."""

    subject: Subject
    most: int
    most_in_hour: int
    curve: int


@dataclass(frozen=True, slots=True)
class HandOver:
    """What one hand-over takes of the caps of a day; it gives that back where it fails."""

    places: tuple[Place, ...]
    at: Hour
    """When the caps were read: in another day they are not true any more."""

    def written(self) -> str:
        """Return it as text, to stand in an intent."""
        places = [
            [one.subject.kind.value, one.subject.name, one.most, one.most_in_hour, one.curve]
            for one in self.places
        ]
        return json.dumps([self.at.day.isoformat(), self.at.hour, places])

    @classmethod
    @lru_cache(maxsize=1000)
    def read(cls, text: str) -> Self:
        """Return what `written` wrote; many mails of a bucket have the same."""
        day, hour, places = json.loads(text)
        found = (Place(Subject(Kind(kind), name), *numbers) for kind, name, *numbers in places)
        return cls(tuple(found), Hour(date.fromisoformat(day), hour))
