"""What the sender writes in the queue's transactions: caps, events; and what it refuses there.

Whether a message may leave is decided here, in the transaction of its intent: everything before it
is memory, which saves work.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from sender.dispatch.stopped import stopped
from sender.dispatch.store import SQL
from sender.dispatch.tenants import Tenants
from sender.explain import WORDS
from sender.queue import Batch, Intent, Job, Outcome, operations
from sender.queue import State as Queued
from sender.schemas import State
from sender.stops import Mail, holding, widest_first

CAP_REASONS = frozenset({"mailbox_cap_reached", "warmup_cap_reached"})
COUNTED = (Queued.DONE, Queued.UNKNOWN)
"""After these an intent keeps its place in the caps."""
SHOWN = {
    Queued.EXPIRED: State.EXPIRED,
    Queued.UNKNOWN: State.UNKNOWN,
    Queued.RETRY: State.DEFERRED,
    Queued.DEAD: State.BOUNCED_INFRASTRUCTURE,
}
"""Outcomes that the queue itself gives, as they are shown."""
Counter = tuple[str, str, date]
"""Kind, subject and UTC day."""


@dataclass(frozen=True)
class Place:
    """What an intent needs: a place in the caps of a day, and that nothing forbids it."""

    recipient: str
    """Hash of the address, in hexadecimal."""
    domain: str
    address: str
    """Name of the sending address."""
    mail: Mapping[str, Any]
    """What stops know of it: the fields of a `Mail`."""
    apart: str
    """The bucket that it waits in where its campaign or queue is stopped."""
    day: str
    """The UTC day that the decision was made on."""
    caps: Sequence[tuple[str, str, int]]
    """Kind, subject and cap of each counter."""
    known: Sequence[str] | None
    """The tenant's addresses, if this one becomes the home of the From domain."""

    @property
    def counters(self) -> list[Counter]:
        """The counters that it takes a place of."""
        day = date.fromisoformat(self.day)
        return [(kind, subject, day) for kind, subject, _ in self.caps]


@dataclass(frozen=True)
class Report:
    """What an outcome leaves beside the queue's own record."""

    kind: str
    """See `sender.schemas.Decision`."""
    state: State
    reason: str
    words: str
    details: Mapping[str, str | int | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Accounting:
    """The extension of the queue's worker."""

    tenants: Tenants

    async def __call__(
        self, connection: AsyncConnection[Any], batch: Batch
    ) -> Mapping[UUID, Outcome]:
        """Record outcomes, and admit intents while suppressions, stops and caps let them."""
        reports = [
            (result.job, report)
            for result in batch.results
            if (report := _report(result.outcome)) is not None
        ]
        if reports:
            await _record(connection, reports)
        back = {
            result.job.id: (result.job.tenant_id, Place(**result.intent.data))
            for result in batch.results
            if result.intent is not None and result.outcome.state not in COUNTED
        }
        places = {intent.job.id: Place(**intent.data) for intent in batch.intents}
        refused = await _obstacles(connection, batch.intents, places) if places else {}
        admitted = {id_: place for id_, place in places.items() if id_ not in refused}
        if admitted or back:
            given_back = [place for _, place in back.values()]
            refused |= await self._count(connection, admitted, given_back)
        for tenant_id in {tenant_id for tenant_id, _ in back.values()}:
            await _release_capped(connection, tenant_id)
        homes = [
            (intent.job.tenant_id, places[intent.job.id])
            for intent in batch.intents
            if places[intent.job.id].known is not None and intent.job.id not in refused
        ]
        if homes:
            await self._settle_homes(connection, homes)
        return refused

    async def _count(
        self,
        connection: AsyncConnection[Any],
        wanted: Mapping[UUID, Place],
        given_back: Sequence[Place],
    ) -> dict[UUID, Outcome]:
        """Give places back, then take places in the order of the intents."""
        counters = {c for place in (*wanted.values(), *given_back) for c in place.counters}
        await connection.execute(SQL.open_counters, _columns(counters))
        cursor = await connection.execute(SQL.lock_counters, _columns(counters))
        before: dict[Counter, int] = {
            (kind, subject, day): used for kind, subject, day, used in await cursor.fetchall()
        }
        used = dict(before)
        for place in given_back:
            for counter in place.counters:
                used[counter] = max(used[counter] - 1, 0)
        refused = {}
        for id_, place in wanted.items():
            refusal = _take(used, place)
            if refusal is not None:
                refused[id_] = refusal
        changed = {counter: count for counter, count in used.items() if count != before[counter]}
        if changed:
            counts = {"counts": list(changed.values())}
            await connection.execute(SQL.write_counters, _columns(changed) | counts)
        self.tenants.counted(used)
        return refused

    async def _settle_homes(
        self, connection: AsyncConnection[Any], homes: Sequence[tuple[UUID, Place]]
    ) -> None:
        values = {
            "tenant_ids": [tenant_id for tenant_id, _ in homes],
            "domains": [place.domain for _, place in homes],
            "addresses": [place.address for _, place in homes],
            "known": [json.dumps(place.known) for _, place in homes],
        }
        cursor = await connection.execute(SQL.settle_homes, values)
        for tenant_id, domain, address in await cursor.fetchall():
            self.tenants.settled(tenant_id, domain, address)


def reported(outcome: Outcome, report: Report) -> Outcome:
    """Return an outcome that leaves a report."""
    return replace(outcome, data=asdict(report))


def _report(outcome: Outcome) -> Report | None:
    """Return what an outcome leaves, also one that the queue itself has given."""
    if outcome.data is not None:
        return Report(**outcome.data)
    state = SHOWN.get(outcome.state)
    if state is None:
        return None
    words = outcome.words or WORDS.get(state, "")
    return Report("outcome", state, outcome.reason or state, words)


def _columns(counters: Iterable[Counter]) -> dict[str, list[Any]]:
    kinds, subjects, days = zip(*counters, strict=True)
    return {"kinds": list(kinds), "subjects": list(subjects), "days": list(days)}


def _take(used: dict[Counter, int], place: Place) -> Outcome | None:
    """Take a place in all counters, or say which is full."""
    for counter, (kind, _, cap) in zip(place.counters, place.caps, strict=True):
        if used[counter] >= cap:
            words = f"the cap of {cap} a day is used up"
            return Outcome(Queued.RELEASED, f"{kind}_cap_reached", words, spent=0)
    for counter in place.counters:
        used[counter] += 1
    return None


async def _obstacles(
    connection: AsyncConnection[Any], intents: Sequence[Intent], places: Mapping[UUID, Place]
) -> dict[UUID, Outcome]:
    """Return what does not let messages be handed over any more, by the ids of those messages."""
    tenant_ids = [intent.job.tenant_id for intent in intents]
    values = {
        "ids": list(places),
        "tenant_ids": tenant_ids,
        "recipients": [bytes.fromhex(place.recipient) for place in places.values()],
    }
    suppressed = await connection.execute(SQL.suppressed, values)
    rows = connection.cursor(row_factory=dict_row)
    await rows.execute(SQL.stops, {"tenant_ids": list(set(tenant_ids))})
    refused = {id_: _suppressed(reasons) for id_, reasons in await suppressed.fetchall()}
    stops = widest_first(await rows.fetchall())
    for (id_, place), tenant_id in zip(places.items(), tenant_ids, strict=True):
        held_by = holding(stops, Mail(**place.mail), tenant_id=tenant_id)
        if held_by and id_ not in refused:
            refused[id_] = stopped(held_by[0], place.apart)
    return refused


def _suppressed(reasons: str) -> Outcome:
    words = f"the recipient is suppressed: {reasons}"
    report = Report("decided", State.CANCELLED, "suppressed", words)
    return reported(Outcome(Queued.CANCELLED, "suppressed", words, spent=0), report)


async def _release_capped(connection: AsyncConnection[Any], tenant_id: UUID) -> None:
    """Let go on what waits for a cap that has room again."""
    held = await operations.held(connection, tenant_id)
    names = [bucket.name for bucket in held if bucket.reason in CAP_REASONS]
    if names:
        await operations.release(connection, tenant_id, names)


async def _record(connection: AsyncConnection[Any], reports: Sequence[tuple[Job, Report]]) -> None:
    values = {
        "ids": [job.id for job, _ in reports],
        "tenant_ids": [job.tenant_id for job, _ in reports],
        "kinds": [report.kind for _, report in reports],
        "states": [str(report.state) for _, report in reports],
        "reasons": [report.reason for _, report in reports],
        "words": [report.words for _, report in reports],
        "details": [json.dumps(dict(report.details)) for _, report in reports],
    }
    await connection.execute(SQL.record_events, values)
