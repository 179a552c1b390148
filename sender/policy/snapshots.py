"""Reads what the credit of buckets depends on: a few statements for all buckets of a tenant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from blueprint.mail_address import folded
from blueprint.tenant import Warmup
from sender.directory import DirectoryEntry, SendingAddress
from sender.policy.caps import cap
from sender.policy.database import SQL, Cursor
from sender.policy.holds import holds_of
from sender.policy.model import (
    AddressState,
    BucketSnapshot,
    Cap,
    Egress,
    Hold,
    Kind,
    Subject,
    Warm,
    at_provider,
)
from sender.policy.names import BucketName
from sender.policy.spreading import Hours, Pace
from sender.policy.warmup import warm
from sender.schemas import Stop, StopScope

Home = tuple[str, str]
"""From domain and provider."""


async def load(
    cursor: Cursor,
    *,
    tenant_id: UUID,
    entry: DirectoryEntry | None,
    names: Collection[str],
    stops: Sequence[Stop] = (),
    paces: Mapping[str, Pace] | None = None,
    urgent: bool = False,
) -> dict[str, BucketSnapshot]:
    """Return the snapshot of each bucket of a tenant by its name.

    `names` are all buckets that have mail, since they share the caps; `stops` are those that
    concern the tenant, the widest first. `urgent` buckets are operators' and do not wait for hours.
    """
    buckets = {name: BucketName.parse(name) for name in names}
    resolved = await _resolved(cursor, buckets.values())
    providers = {
        name: bucket.provider or resolved.get(bucket.recipient_domain or "", (None, None))[0]
        for name, bucket in buckets.items()
    }
    homes = await homes_of(cursor, tenant_id)
    counted = _sharers(entry, buckets, providers, homes)
    await cursor.execute(SQL.now)
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - a select without a table has one row
    reader = _Reader(
        tenant_id=tenant_id,
        entry=entry,
        now=row[0],
        stops=stops,
        warm=await warm(cursor, counted),
        holds=await holds_of(cursor, [*counted, *_only_held(tenant_id, providers.values())]),
        homes=homes,
        sharers=counted,
        hours=None if entry is None or urgent else Hours.of(entry.hours),
    )
    return {
        name: reader.read(
            bucket,
            providers[name],
            (paces or {}).get(name),
            resolved.get(bucket.recipient_domain or "", (None, None))[1],
        )
        for name, bucket in buckets.items()
    }


async def _resolved(
    cursor: Cursor, buckets: Iterable[BucketName]
) -> dict[str, tuple[str | None, str | None]]:
    """Return provider, or why there is none yet, of the recipients' domains of buckets."""
    domains = [b.recipient_domain for b in buckets if b.recipient_domain is not None]
    if not domains:
        return {}
    await cursor.execute(SQL.domains, {"domains": domains})
    return {domain: (provider, reason) for domain, provider, reason in await cursor.fetchall()}


def _sharers(
    entry: DirectoryEntry | None,
    buckets: Mapping[str, BucketName],
    providers: Mapping[str, str | None],
    homes: Mapping[Home, str],
) -> Counter[Subject]:
    """Count for every subject the buckets that share its cap: of an address, those at home."""
    sharers: Counter[Subject] = Counter()
    for name, bucket in buckets.items():
        provider = providers[name] or ""
        sharers[Subject(Kind.DOMAIN, bucket.domain)] += 1
        sharers[Subject(Kind.MAILBOX, folded(bucket.mailbox))] += 1
        home = homes.get((bucket.domain, provider))
        for address in entry.addresses if entry else ():
            is_home = int(address.name == home)
            sharers[Subject(Kind.ADDRESS, address.ip)] += is_home
            sharers[at_provider(address.ip, provider)] += is_home
    return sharers


def _only_held(tenant_id: UUID, providers: Iterable[str | None]) -> list[Subject]:
    """Return the subjects that can be held, and have no caps."""
    found = {Subject(Kind.PROVIDER, provider) for provider in providers if provider is not None}
    return [Subject(Kind.TENANT, str(tenant_id)), *found]


async def homes_of(cursor: Cursor, tenant_id: UUID) -> dict[Home, str]:
    """Return the names of a tenant's home addresses."""
    await cursor.execute(SQL.homes, {"tenant_id": tenant_id})
    return {(domain, provider): address for domain, provider, address in await cursor.fetchall()}


async def settle_home(
    cursor: Cursor, *, tenant_id: UUID, bucket: BucketSnapshot, egress: Egress
) -> None:
    """Make an address the home of a bucket's From domain and provider, unless it has one by now."""
    kept = [a.name for a in bucket.addresses if a.state is not AddressState.DRAINING]
    await cursor.execute(
        SQL.settle_home,
        {
            "tenant_id": tenant_id,
            "domain": bucket.domain,
            "provider": bucket.provider,
            "address": egress.name,
            "kept": kept,
        },
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    tenant_id: UUID
    entry: DirectoryEntry | None
    now: datetime
    stops: Sequence[Stop]
    warm: Mapping[Subject, Warm]
    holds: Mapping[Subject, Hold]
    homes: Mapping[Home, str]
    sharers: Counter[Subject]
    hours: Hours | None

    def read(
        self, bucket: BucketName, provider: str | None, pace: Pace | None, unresolved: str | None
    ) -> BucketSnapshot:
        entry = self.entry
        domains = {domain.name: domain for domain in entry.domains} if entry else {}
        domain = domains.get(bucket.domain)
        boxes = {box.address: box for box in entry.mailboxes} if entry else {}
        box = boxes.get(bucket.mailbox)
        own = (
            Subject(Kind.TENANT, str(self.tenant_id)),
            Subject(Kind.DOMAIN, bucket.domain),
            Subject(Kind.MAILBOX, folded(bucket.mailbox)),
            Subject(Kind.PROVIDER, provider or ""),
        )
        return BucketSnapshot(
            now=self.now,
            mailbox=bucket.mailbox,
            domain=bucket.domain,
            provider=provider,
            is_published=entry is not None,
            has_domain=domain is not None,
            has_mailbox=box is not None,
            is_verified=domain is not None and domain.verified,
            domain_cap=self._cap(own[1]),
            mailbox_cap=self._cap(own[2], box.daily_cap if box else None),
            addresses=tuple(
                self._egress(address, provider or "")
                for address in (entry.addresses if entry else ())
            ),
            home=self.homes.get((bucket.domain, provider or "")),
            stops=tuple(stop for stop in self.stops if _concerns(stop, bucket.domain)),
            holds=tuple(self.holds[subject] for subject in own if subject in self.holds),
            hours=None if bucket.is_reply else self.hours,
            pace=pace or Pace.idle(self.now),
            unresolved=unresolved,
        )

    def _egress(self, address: SendingAddress, provider: str) -> Egress:
        own, there = Subject(Kind.ADDRESS, address.ip), at_provider(address.ip, provider)
        stops = (s for s in self.stops if (s.scope, s.name) == (StopScope.ADDRESS, address.name))
        return Egress(
            name=address.name,
            ip=address.ip,
            state=_state(address),
            cap=self._cap(own),
            provider_cap=self._cap(there),
            stop=next(stops, None),
            hold=self.holds.get(own) or self.holds.get(there),
            homes=sum(name == address.name for name in self.homes.values()),
        )

    def _cap(self, subject: Subject, daily_cap: int | None = None) -> Cap:
        return cap(
            self.warm.get(subject, Warm(subject)),
            self.entry.warmup if self.entry else Warmup.STANDARD,
            daily_cap=daily_cap,
            sharers=max(1, self.sharers[subject]),
        )


def _state(address: SendingAddress) -> AddressState:
    if address.draining:
        return AddressState.DRAINING
    return AddressState.READY if address.ready else AddressState.NOT_READY


def _concerns(stop: Stop, domain: str) -> bool:
    if stop.scope is StopScope.DOMAIN:
        return stop.name == domain
    return stop.scope in (StopScope.PLATFORM, StopScope.TENANT)
