"""What this process knows of the tenants that it serves, and which of their buckets it holds.

Memory of what is in the database, read again when that changes. It decides what is claimed; what
may leave is decided again in the transaction of the intent.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import ValidationError

from sender import policy
from sender.directory import DirectoryEntry, SendingAddress, Snapshot, mailbox_subject
from sender.dispatch.store import SQL, DatabaseClock
from sender.outbox import Sender
from sender.policy import Decision
from sender.queue import Bucket, operations
from sender.queue.outages import AWAY
from sender.schemas import Stop
from sender.stops import widest_first

KEPT = 5000
"""Tenants that are remembered."""
LOOK = 1.0
"""Seconds between two looks for changes."""
log = structlog.get_logger(__name__)
Key = tuple[UUID, str]
"""Tenant and name of a bucket."""


@dataclass
class Tenant:
    """A tenant as the directory has it."""

    id: UUID
    entry: DirectoryEntry | None
    revision: int | None
    homes: dict[str, str]
    stops: tuple[Stop, ...]

    @property
    def subjects(self) -> list[str]:
        """The names of its daily counters."""
        if self.entry is None:
            return []
        boxes = [mailbox_subject(self.id, box.address) for box in self.entry.mailboxes]
        return boxes + [address.ip for address in self.entry.addresses]


@dataclass
class Tenants:
    """The tenants of the slots that the worker has."""

    pool: AsyncConnectionPool[Any]
    clock: DatabaseClock
    most_at_address: int
    """Jobs in work for one address: a silent host keeps no other mail waiting."""
    room: Callable[[SendingAddress], int]
    """How many more jobs an address takes now; 0 while it is let be after a failure."""
    obstacle: Callable[[], Decision | None] = lambda: None
    """Why no mail at all can be written; None: it can."""
    _known: OrderedDict[UUID, Tenant] = field(default_factory=OrderedDict)
    _stops: dict[UUID | None, list[Stop]] = field(default_factory=dict)
    """By tenant; None: of the platform."""
    _used: dict[tuple[str, str], int] = field(default_factory=dict)
    """Hand-overs of today by kind and subject."""
    _day: date | None = None
    _wanted: set[UUID] = field(default_factory=set)
    _undecided: set[Key] = field(default_factory=set)
    """Buckets that are held unless what the database says now lets them go on."""
    _holding: set[UUID] = field(default_factory=set)
    """Tenants with held buckets."""
    _held_lately: set[UUID] = field(default_factory=set)
    """Tenants whose buckets the last look held: what it had read may have changed meanwhile."""
    _slots: frozenset[int] = frozenset()
    _in_work: Counter[int] = field(default_factory=Counter)
    _address_of: dict[int, str] = field(default_factory=dict)
    """Of each bucket with jobs in work."""
    _at_address: Counter[str] = field(default_factory=Counter)
    _look: asyncio.Event = field(default_factory=asyncio.Event)

    # Decisions from memory

    def decide(self, tenant: Tenant, sender: policy.Sender) -> Decision:
        """Decide about the mail of a sender now."""
        now = self.clock.now()
        entry = tenant.entry
        box = None if entry is None else entry.mailbox_of(sender.from_address)
        subject = "" if box is None else mailbox_subject(tenant.id, box.address)
        used = self._used if now.date() == self._day else {}
        decision = policy.decide(
            Snapshot(
                entry=entry,
                homes=tenant.homes,
                stops=tenant.stops,
                mailbox_used=used.get(("mailbox", subject), 0),
                address_used={
                    address.ip: used.get(("address", address.ip), 0)
                    for address in (() if entry is None else entry.addresses)
                },
            ),
            sender,
            now=now,
        )
        return (self.obstacle() or decision) if decision.route is not None else decision

    def credit(self, bucket: Bucket) -> int:
        """Return how many jobs of a bucket may be in work."""
        key = (bucket.tenant.id, bucket.name)
        if key in self._undecided:
            return 0
        tenant = self._known.get(bucket.tenant.id)
        if tenant is None:
            self._wanted.add(bucket.tenant.id)
            self._look.set()
            return 0
        route = self.decide(tenant, Sender(bucket.name)).route
        if route is None:
            self.reconsider(*key)
            return 0
        self._place(bucket.id, route.address.ip)
        used = self._used if self.clock.now().date() == self._day else {}
        mailbox = mailbox_subject(tenant.id, route.mailbox.address)
        free = min(
            self.most_at_address - self._at_address[route.address.ip], self.room(route.address)
        )
        return min(
            free + self._in_work[bucket.id],
            route.address_cap - used.get(("address", route.address.ip), 0),
            route.mailbox.daily_cap - used.get(("mailbox", mailbox), 0),
        )

    def on_in_work(self, bucket_id: int, jobs: int) -> None:
        """Take note of jobs of a bucket that are in work, or no longer."""
        self._in_work[bucket_id] += jobs
        address = self._address_of.get(bucket_id)
        if address is not None:
            self._at_address[address] += jobs
        if not self._in_work[bucket_id]:
            del self._in_work[bucket_id]
            self._address_of.pop(bucket_id, None)

    def _place(self, bucket_id: int, address: str) -> None:
        before = self._address_of.get(bucket_id)
        if before != address:
            jobs = self._in_work[bucket_id]
            if before is not None:
                self._at_address[before] -= jobs
            self._at_address[address] += jobs
            self._address_of[bucket_id] = address

    def counted(self, counts: Mapping[tuple[str, str, date], int]) -> None:
        """Take note of counters."""
        self._new_day()
        for (kind, subject, day), count in counts.items():
            if day == self._day:
                self._used[kind, subject] = count

    def settled(self, tenant_id: UUID, domain: str, address: str) -> None:
        """Take note of the home of a From domain."""
        if tenant_id in self._known:
            self._known[tenant_id].homes[domain] = address

    def reconsider(self, tenant_id: UUID, bucket: str) -> None:
        """Claim nothing of a bucket before it is decided about again, or held."""
        self._undecided.add((tenant_id, bucket))
        self._look.set()

    def wake(self) -> None:
        """Look for changes now."""
        self._look.set()

    async def get(self, tenant_id: UUID) -> Tenant:
        """Return a tenant, from the database if it is not known."""
        if tenant_id not in self._known:
            async with self.pool.connection() as connection:
                await self._read_stops(connection)
                await self._load(connection, [tenant_id])
        return self._known[tenant_id]

    # Changes in the database

    async def follow(
        self, slots: Callable[[], frozenset[int]], wake: Callable[[], None], stop: asyncio.Event
    ) -> None:
        """Follow the changes of others, and hold and release buckets, until `stop` is set."""
        while not stop.is_set():
            self._look.clear()
            try:
                async with self.pool.connection() as connection:
                    changed = await self._look_for_changes(connection, slots())
                if changed:
                    wake()
            except AWAY as error:
                log.warning("sender.database_away", error=str(error))
            except Exception:
                log.exception("sender.failed", loop="tenants")
            try:
                await asyncio.wait_for(self._look.wait(), LOOK)
            except TimeoutError:
                continue

    async def _look_for_changes(
        self, connection: AsyncConnection[Any], slots: frozenset[int]
    ) -> bool:
        """Return whether anything changed that lets jobs be claimed, or not claimed."""
        await self.clock.set(connection)
        await self._read_stops(connection)
        new = slots - self._slots
        stale = await operations.holding_tenants(connection, new) if new else set()
        self._holding = {t for t in self._holding | stale if t.bytes[15] in slots}
        stale |= await self._changed(connection) | self._held_lately
        undecided = list(self._undecided)
        wanted = self._wanted | stale | {tenant_id for tenant_id, _ in undecided}
        if wanted:
            await self._load(connection, wanted)
        for tenant_id in stale & self._holding:
            await self._reconsider_held(connection, tenant_id)
        held = await self._hold(connection, undecided)
        await connection.commit()
        self._held_lately = held
        self._slots = slots
        self._wanted.difference_update(wanted)
        self._undecided.difference_update(undecided)
        if held:
            self._look.set()
        return bool(wanted)

    async def _changed(self, connection: AsyncConnection[Any]) -> set[UUID]:
        """Return the tenants whose entry or stops are not those that are known."""
        watched = self._known.keys() | self._holding
        cursor = await connection.execute(SQL.revisions, {"ids": list(watched)})
        revisions = dict(await cursor.fetchall())
        return {
            id_
            for id_ in watched
            if (tenant := self._known.get(id_)) is None
            or tenant.revision != revisions.get(id_)
            or tenant.stops != self._stops_of(id_)
        }

    async def _reconsider_held(self, connection: AsyncConnection[Any], tenant_id: UUID) -> None:
        """Release what may go on by now, and give the rest the reason of today."""
        tenant = self._known[tenant_id]
        held = await operations.held(connection, tenant_id)
        released = []
        for bucket in held:
            decision = self.decide(tenant, Sender(bucket.name))
            if decision.route is not None:
                released.append(bucket.name)
            elif (decision.reason, decision.message) != (bucket.reason, bucket.words):
                self._undecided.add((tenant_id, bucket.name))
        if released:
            await operations.release(connection, tenant_id, released)
        if len(released) == len(held):
            self._holding.discard(tenant_id)

    async def _hold(self, connection: AsyncConnection[Any], buckets: Iterable[Key]) -> set[UUID]:
        """Hold the buckets that have no route; return their tenants."""
        alike: dict[tuple[UUID, str, str], tuple[datetime | None, list[str]]] = {}
        for tenant_id, name in buckets:
            decision = self.decide(self._known[tenant_id], Sender(name))
            if decision.route is None:
                group = (tenant_id, decision.reason, decision.message)
                alike.setdefault(group, (decision.until, []))[1].append(name)
        for (tenant_id, reason, words), (until, names) in alike.items():
            self._holding.add(tenant_id)
            await operations.hold(connection, tenant_id, names, until, reason, words)
        return {tenant_id for tenant_id, _, _ in alike}

    # Reading

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
        """Read tenants and what they used of today's caps."""
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(SQL.tenants, {"ids": list(ids)})
            tenants = [self._tenant(row) for row in await cursor.fetchall()]
            subjects = [subject for tenant in tenants for subject in tenant.subjects]
            await cursor.execute(SQL.usage, {"subjects": subjects})
            used = {
                (row["kind"], row["subject"]): row["handed_over"] for row in await cursor.fetchall()
            }
        self._new_day()
        for subject in subjects:
            for kind in ("address", "mailbox"):
                self._used.pop((kind, subject), None)
        self._used.update(used)
        for tenant in tenants:
            self._known[tenant.id] = tenant
            self._known.move_to_end(tenant.id)
        while len(self._known) > max(KEPT, len(ids)):
            self._known.popitem(last=False)

    def _tenant(self, row: Mapping[str, Any]) -> Tenant:
        return Tenant(
            id=row["tenant_id"],
            entry=_entry(row["tenant_id"], row["document"]),
            revision=row["revision"],
            homes=row["homes"],
            stops=self._stops_of(row["tenant_id"]),
        )

    def _new_day(self) -> None:
        today = self.clock.now().date()
        if today != self._day:
            self._used.clear()
            self._day = today


def _entry(tenant_id: UUID, document: object) -> DirectoryEntry | None:
    """Read an entry; one that this version cannot read holds the mail of its tenant alone."""
    if document is None:
        return None
    try:
        return DirectoryEntry.model_validate(document)
    except ValidationError as error:
        log.error("sender.entry_unreadable", tenant=str(tenant_id), error=str(error))  # noqa: TRY400 - the traceback says nothing more
        return None
