"""What is known of a tenant, and the snapshot of each of its buckets: without the database.

`load` reads many tenants in a few statements. The owner of a tenant keeps it in memory, notes what
it hands over, and reads it again when something has changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import chain
from typing import Any
from uuid import UUID

from blueprint.hours import Hours
from blueprint.mail_address import folded
from blueprint.tenant import Warmup
from sender.directory import DirectoryEntry, SendingAddress, SendingDomain, SendingMailbox
from sender.footer import Footer
from sender.policy.caps import cap
from sender.policy.database import SQL, Cursor
from sender.policy.model import (
    AddressState,
    BucketSnapshot,
    Cap,
    Egress,
    Hold,
    Hour,
    Kind,
    Subject,
    Warm,
    at_provider,
)
from sender.policy.names import BucketName
from sender.policy.spreading import BURST, Pace
from sender.policy.subjects import subjects_of
from sender.policy.warmup import warm
from sender.schemas import Stop, StopScope
from sender.stops import Mail

Home = tuple[str, str]
"""From domain and provider."""
Stream = tuple[str, str, str]
"""From domain, mailbox and provider: what is spread together."""
Resolved = tuple[str | None, str | None]
"""Provider of a recipients' domain, and why it has none yet."""


@dataclass
class Standing:
    """What is known of a tenant."""

    tenant_id: UUID
    entry: DirectoryEntry | None
    stops: Sequence[Stop] = ()
    """Those that concern it, the widest first."""
    holds: Mapping[Subject, Hold] = field(default_factory=dict)
    """Of all tenants."""
    resting: Callable[[SendingAddress], Hold | None] = lambda _: None
    """How long, and why, an address is paused after a failure; None: it is not."""
    warm: dict[Subject, Warm] = field(default_factory=dict)
    """A subject that is missing is on its first day and has sent nothing."""
    at: Hour | None = None
    """When what was sent was counted."""
    homes: dict[Home, str] = field(default_factory=dict)
    """Names of addresses."""
    resolved: dict[str, Resolved] = field(default_factory=dict)
    burst: int = BURST
    _expected: dict[Home, str] = field(default_factory=dict)
    """Homes that mail on its way will settle: those that are chosen meanwhile are others."""
    _streams: dict[Stream, None] = field(default_factory=dict)
    """Those that have mail, and share the caps."""

    def bucket(
        self, bucket: BucketName, now: datetime, *, pace: Pace | None = None
    ) -> BucketSnapshot:
        """Return the snapshot of a bucket."""
        self._begin_hour(now)
        provider = self.provider(bucket)
        domain = self.domains.get(bucket.domain)
        box = self.mailbox_of(bucket.sender)
        mailbox = bucket.sender if box is None else box.address
        own = (
            Subject(Kind.TENANT, str(self.tenant_id)),
            Subject(Kind.DOMAIN, bucket.domain),
            Subject(Kind.MAILBOX, folded(mailbox)),
            Subject(Kind.PROVIDER, provider or ""),
        )
        pair = (bucket.domain, provider or "")
        mail = Mail(bucket.domain, own[2].name, bucket.campaign, bucket.queue, provider)
        if bucket.is_spread:
            self.has_mail(bucket)
        return BucketSnapshot(
            now=now,
            mailbox=mailbox,
            domain=bucket.domain,
            provider=provider,
            is_published=self.entry is not None,
            has_domain=domain is not None,
            has_mailbox=box is not None,
            has_footer=bucket.is_transactional or self.footer is not None,
            is_verified=domain is not None and domain.verified,
            domain_cap=self._cap(own[1]),
            mailbox_cap=self._cap(own[2], box.daily_cap if box else None),
            addresses=self._addresses(pair),
            home=self.homes.get(pair),
            stops=tuple(filter(mail.is_held_by, self.stops)),
            holds=tuple(self.holds[subject] for subject in own if subject in self.holds),
            hours=self.hours if bucket.is_spread else None,
            pace=pace or Pace.idle(now, self.burst),
            unresolved=self.resolved.get(bucket.recipient_domain or "", (None, None))[1],
        )

    def has_mail(self, bucket: BucketName) -> None:
        """Take note of a bucket with mail, which shares the caps with others."""
        provider = self.provider(bucket)
        if provider is None:
            return
        stream = (bucket.domain, self.mailbox_name(bucket), provider)
        if stream not in self._streams:
            self._streams[stream] = None
            self._share(stream)

    def mailbox_name(self, bucket: BucketName) -> str:
        """Return the name of the mailbox that is counted for a bucket."""
        box = self.mailbox_of(bucket.sender)
        return folded(bucket.sender if box is None else box.address)

    def provider(self, bucket: BucketName) -> str | None:
        """Return the provider that receives the mail of a bucket."""
        return bucket.provider or self.resolved.get(bucket.recipient_domain or "", (None, None))[0]

    def mailbox_of(self, sender: str) -> SendingMailbox | None:
        """Return the mailbox that a From address counts as."""
        if sender not in self._mailboxes:
            self._mailboxes[sender] = self.entry.mailbox_of(sender) if self.entry else None
        return self._mailboxes[sender]

    def note(self, subject: Subject, used: int, used_in_hour: int) -> None:
        """Take note of what a subject has sent in this day and hour."""
        warm = self.warm.get(subject)
        self.warm[subject] = Warm(subject, warm.day if warm else 1, used, used_in_hour)

    def give_back(self, subject: Subject, at: Hour) -> None:
        """Take note of a hand-over that a subject has not sent after all."""
        warm = self.warm.get(subject)
        if warm is not None and self.at is not None and self.at.day == at.day:
            in_hour = warm.used_in_hour - (self.at == at)
            self.note(subject, max(warm.used - 1, 0), max(in_hour, 0))

    def expect_home(self, bucket: BucketName, address: str) -> None:
        """Take note of the home that the mail of a bucket will settle when it leaves."""
        home = (bucket.domain, self.provider(bucket) or "")
        if self._expected.get(home) != address:
            self._expected[home] = address
            self.__dict__.pop("_homes_of", None)

    def settled(self, domain: str, provider: str, address: str) -> None:
        """Take note of a home."""
        self.homes[domain, provider] = address
        self._expected.pop((domain, provider), None)
        for derived in ("_homes_of", "_sharers"):
            self.__dict__.pop(derived, None)
        for stream in self._streams:
            self._share(stream)

    @cached_property
    def domains(self) -> dict[str, SendingDomain]:
        """Return the From domains by name."""
        return {domain.name: domain for domain in self.entry.domains} if self.entry else {}

    @cached_property
    def addresses(self) -> dict[str, SendingAddress]:
        """Return the addresses by name."""
        return {address.name: address for address in self.entry.addresses} if self.entry else {}

    @cached_property
    def hours(self) -> Hours | None:
        """Return the tenant's sending hours."""
        return None if self.entry is None else Hours.of(self.entry.hours)

    @cached_property
    def footer(self) -> Footer | None:
        """Return what campaign mail ends with."""
        return None if self.entry is None else self.entry.footer

    @cached_property
    def homely(self) -> tuple[str, ...]:
        """Return the names of the addresses that can be homes."""
        return tuple(name for name, address in self.addresses.items() if not address.draining)

    @cached_property
    def _homes_of(self) -> Counter[str]:
        """Return of how many From domains and providers each address is the home, or will be."""
        return Counter((self.homes | self._expected).values())

    @cached_property
    def _sharers(self) -> Counter[Subject]:
        """Return how many streams share each cap: of an address, those at home."""
        return Counter()

    @cached_property
    def _mailboxes(self) -> dict[str, SendingMailbox | None]:
        return {}

    def _begin_hour(self, now: datetime) -> None:
        at = Hour.of(now)
        if self.at is not None and at != self.at:
            is_new_day = at.day != self.at.day
            for subject, warm in self.warm.items():
                used = 0 if is_new_day else warm.used
                if (warm.used, warm.used_in_hour) != (used, 0):
                    self.warm[subject] = Warm(subject, warm.day, used, 0)
        self.at = at

    def _addresses(self, of: Home) -> tuple[Egress, ...]:
        address = self.addresses.get(self.homes.get(of, ""))
        if address is not None:
            egress = self._egress(address, of)
            if egress.state is not AddressState.DRAINING and (not egress.is_usable or egress.left):
                return (egress,)
        return tuple(self._egress(one, of) for one in self.addresses.values())

    def _egress(self, address: SendingAddress, of: Home) -> Egress:
        own, there = Subject(Kind.ADDRESS, address.ip), at_provider(address.ip, of[1])
        name = address.name.lower()
        stops = (s for s in self.stops if (s.scope, s.name) == (StopScope.ADDRESS, name))
        return Egress(
            name=address.name,
            ip=address.ip,
            state=_state(address),
            cap=self._cap(own),
            provider_cap=self._cap(there),
            stop=next(stops, None),
            hold=self.holds.get(own) or self.holds.get(there) or self.resting(address),
            homes=self._homes_beside(of, address.name),
        )

    def _homes_beside(self, of: Home, name: str) -> int:
        """Return of how many an address is the home: the one expected for `of` itself has less."""
        is_expected = self._expected.get(of) == name
        return self._homes_of[name] - (2 if is_expected else 0)

    def _cap(self, subject: Subject, daily_cap: int | None = None) -> Cap:
        return cap(
            self.warm.get(subject) or Warm(subject),
            self.entry.warmup if self.entry else Warmup.STANDARD,
            daily_cap=daily_cap,
            sharers=max(1, self._sharers[subject]),
            burst=self.burst,
        )

    def _share(self, stream: Stream) -> None:
        domain, mailbox, provider = stream
        self._sharers[Subject(Kind.DOMAIN, domain)] += 1
        self._sharers[Subject(Kind.MAILBOX, mailbox)] += 1
        home = self.addresses.get(self.homes.get((domain, provider), ""))
        if home is not None:
            self._sharers[Subject(Kind.ADDRESS, home.ip)] += 1
            self._sharers[at_provider(home.ip, provider)] += 1


async def load(
    cursor: Cursor,
    entries: Mapping[UUID, DirectoryEntry | None],
    resolved: dict[str, Resolved],
    burst: int = BURST,
) -> dict[UUID, Standing]:
    """Read what is counted, settled and has mail of tenants; their stops and holds are not.

    `resolved` is filled up, and shared by all.
    """
    await cursor.execute(SQL.now)
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - a select without a table has one row
    at = Hour.of(row[0])
    found = {
        id_: Standing(id_, entry, at=at, resolved=resolved, burst=burst)
        for id_, entry in entries.items()
    }
    ids = {"tenant_ids": list(entries)}
    await cursor.execute(SQL.homes, ids)
    for tenant_id, domain, provider, address in await cursor.fetchall():
        found[tenant_id].homes[domain, provider] = address
    subjects = {id_: list(_subjects(entry)) for id_, entry in entries.items()}
    known = await warm(cursor, set(chain.from_iterable(subjects.values())))
    for id_, own in subjects.items():
        found[id_].warm = {subject: known[subject] for subject in own if subject in known}
    await cursor.execute(SQL.filled, ids)
    names = await cursor.fetchall()
    resolved.update(await resolved_of(cursor, (name for _, name in names)))
    for tenant_id, name in names:
        bucket = BucketName.parse(name)
        if bucket.is_spread:
            found[tenant_id].has_mail(bucket)
    return found


async def settle_homes(
    cursor: Cursor, homes: Mapping[str, Sequence[Any]]
) -> list[tuple[UUID, str, str, str]]:
    """Let addresses be the homes of From domains and providers that have none.

    `homes` has the columns tenant_ids, domains, providers, addresses, and kept: as JSON the names
    of the addresses that can be homes. Returns the homes as they are, also if another sender has
    settled them.
    """
    await cursor.execute(SQL.settle_homes, homes)
    return [(row[0], row[1], row[2], row[3]) for row in await cursor.fetchall()]


async def resolved_of(cursor: Cursor, names: Iterable[str]) -> dict[str, Resolved]:
    """Return the providers of the recipients' domains that buckets are named by."""
    parsed = map(BucketName.parse, names)
    domains = [one.recipient_domain for one in parsed if one.recipient_domain is not None]
    if not domains:
        return {}
    await cursor.execute(SQL.domains, {"domains": domains})
    return {domain: (provider, reason) for domain, provider, reason in await cursor.fetchall()}


async def resolved_since(cursor: Cursor, since: datetime) -> dict[str, Resolved]:
    """Return the domains that were looked up since a moment, or shortly before."""
    await cursor.execute(SQL.resolved_since, {"since": since})
    return {domain: (provider, reason) for domain, provider, reason in await cursor.fetchall()}


def _subjects(entry: DirectoryEntry | None) -> Iterable[Subject]:
    """Return all that is counted for a tenant."""
    if entry is None:
        return ()
    found = subjects_of(entry)
    return chain(found.own, found.at_providers)


def _state(address: SendingAddress) -> AddressState:
    if address.draining:
        return AddressState.DRAINING
    return AddressState.READY if address.ready else AddressState.NOT_READY
