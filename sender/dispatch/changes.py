"""Keeps the memory of tenants true, and holds and releases their buckets by it."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Set
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import ValidationError

from blueprint.mail_address import folded
from kit.pausing import pause
from sender.directory import DirectoryEntry
from sender.dispatch.store import SQL
from sender.dispatch.tenants import Key, Tenant, Tenants
from sender.policy import LOOK_AGAIN, holds, snapshots, warmup
from sender.policy.model import Credit, Kind, Subject
from sender.policy.names import BucketName
from sender.queue import Job, operations
from sender.queue.operations import HeldBucket, NewHold
from sender.queue.outages import AWAY
from sender.reasons import PROVIDER_UNRESOLVED
from sender.schemas import Stop
from sender.stops import widest_first

LOOK = 1.0
"""Seconds between two looks for changes."""
PAUSE = 0.05
"""Seconds between any two looks."""
READ = 200
"""Tenants that are read at once; others wait for the next look."""
SAME_END = timedelta(minutes=1)
log = structlog.get_logger(__name__)


@dataclass
class Changes:
    """Follows what others change in the database."""

    pool: AsyncConnectionPool[Any]
    tenants: Tenants
    is_shared: bool = False
    """Other senders hand over mail of these tenants too, through lists, and hold its buckets."""
    _stops: dict[UUID | None, list[Stop]] = field(default_factory=dict)
    """By tenant; None: of the platform."""
    _owners: defaultdict[str, set[UUID]] = field(default_factory=lambda: defaultdict(set))
    """Tenants by IP address, From domain and mailbox."""
    _holding: set[UUID] = field(default_factory=set)
    """Tenants with held buckets."""
    _unresolved: dict[str, set[Key]] = field(default_factory=dict)
    """Buckets that are held until their recipients' domain is resolved."""
    _slots: frozenset[int] = frozenset()
    _day: date | None = None
    _looked_at: datetime | None = None
    _look: asyncio.Event = field(default_factory=asyncio.Event)
    _learning: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        """Let the memory wake this."""
        self.tenants.wake = self.wake

    def wake(self) -> None:
        """Look for changes now."""
        self._look.set()

    async def learn(self, job: Job) -> None:
        """Learn of the bucket and the tenant of a job that another sender has claimed."""
        async with self._learning:
            if self.tenants.knows(job.bucket_id) or self._looked_at is None:
                return  # before the first look, holds and stops are not known
            async with self.pool.connection() as connection:
                cursor = await connection.execute(SQL.bucket, {"id": job.bucket_id})
                (name,) = await cursor.fetchone() or ("",)
                found = await snapshots.resolved_of(connection.cursor(), [name])
                if job.tenant_id not in self.tenants.known:
                    await self._load(connection, [job.tenant_id])
            self.tenants.resolved.update(found)
            if name and not self.tenants.knows(job.bucket_id):
                self.tenants.learn(job.bucket_id, (job.tenant_id, name))

    async def follow(
        self, slots: Callable[[], frozenset[int]], wake: Callable[[], None], stop: asyncio.Event
    ) -> None:
        """Follow the changes of others, and hold and release buckets, until `stop` is set."""
        next_whole = 0.0
        while not stop.is_set():
            self._look.clear()
            now = time.monotonic()
            is_whole = now >= next_whole
            if is_whole:
                next_whole = now + LOOK
            try:
                async with self.pool.connection() as connection:
                    changed = await self._look_for_changes(connection, slots(), is_whole=is_whole)
                if changed:
                    wake()
            except AWAY as error:
                log.warning("sender.database_away", error=str(error))
            except Exception:
                log.exception("sender.failed", loop="tenants")
            await asyncio.sleep(PAUSE)
            await pause(self._look, max(0, next_whole - time.monotonic()))

    async def _look_for_changes(
        self, connection: AsyncConnection[Any], slots: frozenset[int], *, is_whole: bool
    ) -> bool:
        """Decide what is undecided; a whole look also finds what others have changed.

        Returns whether anything changed that lets jobs be claimed, or not claimed.
        """
        tenants = self.tenants
        if is_whole:
            await tenants.clock.set(connection)
            await self._begin_day(connection)
            await self._take_slots(connection, slots)
            await self._find_changes(connection)
        undecided = set(tenants.undecided)
        rechecked, tenants.rechecked = tenants.rechecked, set()  # again, what comes meanwhile
        try:
            read = await self._decide(connection, undecided, rechecked)
        except BaseException:
            tenants.rechecked |= rechecked
            raise
        tenants.wanted -= read
        tenants.undecided -= undecided
        tenants.forget()
        if tenants.wanted or tenants.undecided or tenants.rechecked:
            self._look.set()
        return bool(read or rechecked or undecided)

    async def _decide(
        self, connection: AsyncConnection[Any], undecided: set[Key], rechecked: set[UUID]
    ) -> set[UUID]:
        """Hold and release buckets; return the tenants that were read."""
        tenants = self.tenants
        read = await self._read(connection, {tenant_id for tenant_id, _ in undecided}, rechecked)
        later = rechecked & (self._holding - tenants.known.keys())
        for tenant_id in (rechecked - later) & self._holding:
            await self._reconsider_held(connection, tenant_id)
        tenants.resolved.update(
            await snapshots.resolved_of(connection.cursor(), (name for _, name in undecided))
        )
        await self._hold(connection, undecided)
        await connection.commit()
        tenants.rechecked |= later
        return read

    # Reading

    async def _begin_day(self, connection: AsyncConnection[Any]) -> None:
        """Count the days of warm-ups that are over; all tenants are on another day then."""
        today = self.tenants.clock.now().date()
        if today != self._day:
            await warmup.advance(connection.cursor())
            await connection.commit()
            self._day = today
            self.tenants.wanted |= self.tenants.known.keys()

    async def _take_slots(self, connection: AsyncConnection[Any], slots: frozenset[int]) -> None:
        """Learn which tenants have buckets that others have held: nobody else lets them go on."""
        kept = slots & self._slots
        others = slots if self.is_shared else slots - kept
        found = await operations.holding_tenants(connection, others) if others else set()
        holding = {t for t in self._holding if t.bytes[15] in kept}
        self.tenants.rechecked |= found - holding
        self._holding = holding | found
        self._slots = slots

    async def _find_changes(self, connection: AsyncConnection[Any]) -> None:
        """Find the tenants of which something is not as it is known."""
        tenants, cursor = self.tenants, connection.cursor()
        known, looked_at = tenants.known, tenants.clock.now()
        since = self._looked_at or looked_at
        await self._read_stops(connection)
        watched = known.keys() | self._holding
        await cursor.execute(SQL.revisions, {"ids": list(watched)})
        revisions = dict(await cursor.fetchall())
        changed, concerned = set(), set()
        for id_, tenant in known.items():
            if tenant.revision != revisions.get(id_):
                changed.add(id_)
            if tenant.standing.stops != (stops := self._stops_of(id_)):
                tenant.standing.stops = stops
                concerned.add(id_)
        for subject in await warmup.set_since(cursor, since):
            changed |= self._owned(subject)
        held = await holds.active(cursor)
        for subject, _ in held.items() ^ tenants.holds.items():
            concerned |= self._owned(subject)
        tenants.holds.clear()
        tenants.holds.update(held)
        tenants.changed |= changed & known.keys()
        tenants.rechecked |= (changed | concerned) & watched
        await self._follow_resolver(connection, since)
        self._looked_at = looked_at

    def _owned(self, subject: Subject) -> set[UUID]:
        """Return the tenants whose mail counts for a subject."""
        if subject.kind is Kind.TENANT:
            return {UUID(subject.name)}
        name, _, provider = subject.name.partition("/")
        if subject.kind is Kind.PROVIDER and not provider:
            return self.tenants.known.keys() | self._holding
        return self._owners.get(name, set())

    async def _read(
        self, connection: AsyncConnection[Any], concerned: Set[UUID], rechecked: Set[UUID]
    ) -> set[UUID]:
        """Read tenants that are not known, not as they are, or for long; return which."""
        tenants, known = self.tenants, self.tenants.known.keys()
        first = tenants.changed | (concerned - known)
        before = time.monotonic() - LOOK_AGAIN.total_seconds()
        old = {id_ for id_, tenant in tenants.known.items() if tenant.read_at < before}
        later = (tenants.wanted | old | ((rechecked & self._holding) - known)) - first
        ids = first.union(sorted(later)[: max(0, READ - len(first))])
        await self._load(connection, ids)
        tenants.changed -= ids
        return ids

    async def _read_stops(self, connection: AsyncConnection[Any]) -> None:
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(SQL.stops, {"tenant_ids": None})
            stops = widest_first(await cursor.fetchall())
        self._stops = {}
        for stop in stops:
            self._stops.setdefault(stop.tenant_id, []).append(stop)

    def _stops_of(self, tenant_id: UUID) -> tuple[Stop, ...]:
        return (*self._stops.get(None, ()), *self._stops.get(tenant_id, ()))

    async def _load(self, connection: AsyncConnection[Any], ids: Collection[UUID]) -> None:
        """Read tenants, and what they have used of today's caps."""
        if not ids:
            return
        tenants = self.tenants
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(SQL.tenants, {"ids": list(ids)})
            rows = {row["tenant_id"]: row for row in await cursor.fetchall()}
        entries = {id_: _entry(id_, row["document"]) for id_, row in rows.items()}
        found = await snapshots.load(connection.cursor(), entries, tenants.resolved, tenants.burst)
        for id_, standing in found.items():
            standing.stops, standing.holds = self._stops_of(id_), tenants.holds
            standing.resting = tenants.resting
            tenants.known[id_] = Tenant(id_, rows[id_]["revision"], standing)
            tenants.known.move_to_end(id_)
            for name in _names(standing.entry):
                self._owners[name].add(id_)

    # Holding and releasing

    async def _reconsider_held(self, connection: AsyncConnection[Any], tenant_id: UUID) -> None:
        """Release what may go on by now, and give the rest the reason of today."""
        held = await operations.held(connection, tenant_id)
        released = []
        for bucket in held:
            key = (tenant_id, bucket.name)
            found = self.tenants.decide(key)
            if found.count:
                released.append(bucket.name)
                continue
            self._wait_for_resolver(key, found.reason)
            if not _is_as_before(found, bucket):
                self.tenants.undecided.add(key)
        if released:
            await operations.release(connection, tenant_id, released)
        if len(released) == len(held):
            self._holding.discard(tenant_id)

    async def _follow_resolver(self, connection: AsyncConnection[Any], since: datetime) -> None:
        """Let the mail to domains go on that are resolved, and say why others are not."""
        if not self._unresolved:
            return
        released: defaultdict[UUID, list[str]] = defaultdict(list)
        found = await snapshots.resolved_since(connection.cursor(), since)
        for domain in found.keys() & self._unresolved.keys():
            before = self.tenants.resolved.get(domain)
            self.tenants.resolved[domain] = found[domain]
            if found[domain][0] is not None:
                for tenant_id, name in self._unresolved.pop(domain):
                    released[tenant_id].append(name)
            elif found[domain] != before:
                self.tenants.undecided |= self._unresolved[domain]
        for tenant_id, names in released.items():
            await operations.release(connection, tenant_id, names)

    def _wait_for_resolver(self, key: Key, reason: str) -> None:
        domain = BucketName.parse(key[1]).recipient_domain
        if reason == PROVIDER_UNRESOLVED and domain is not None:
            self._unresolved.setdefault(domain, set()).add(key)

    async def _hold(self, connection: AsyncConnection[Any], keys: Iterable[Key]) -> None:
        """Hold the buckets that have no credit."""
        held = []
        look_at = self.tenants.clock.now() + LOOK_AGAIN
        for tenant_id, name in keys:
            found = self.tenants.decide((tenant_id, name))
            if found.count:
                continue
            held.append(
                NewHold(tenant_id, name, found.until, found.reason, found.words, look_at=look_at)
            )
            self._wait_for_resolver((tenant_id, name), found.reason)
        if held:
            await operations.hold_each(connection, held)
            self._holding |= {one.tenant_id for one in held}


def _is_as_before(found: Credit, bucket: HeldBucket) -> bool:
    """Tell whether a bucket is held as it was; ends that follow from a rate are never the same."""
    if (found.reason, found.words) != (bucket.reason, bucket.words):
        return False
    if found.until is None or bucket.until is None:
        return found.until == bucket.until
    return abs(found.until - bucket.until) < SAME_END


def _entry(tenant_id: UUID, document: object) -> DirectoryEntry | None:
    """Read an entry; one that this version cannot read holds the mail of its tenant alone."""
    if document is None:
        return None
    try:
        return DirectoryEntry.model_validate(document)
    except ValidationError as error:
        log.error("sender.entry_unreadable", tenant=str(tenant_id), error=str(error))  # noqa: TRY400 - the traceback says nothing more
        return None


def _names(entry: DirectoryEntry | None) -> Iterable[str]:
    """Return the names of what is counted for a tenant."""
    if entry is not None:
        yield from (address.ip for address in entry.addresses)
        yield from (domain.name for domain in entry.domains)
        yield from (folded(box.address) for box in entry.mailboxes)
