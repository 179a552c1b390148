"""What the sender writes in the queue's transactions: caps, events; and what it refuses there.

Whether a message may leave is decided here, in the transaction of its intent: everything before it
is memory, which saves work.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from sender.dispatch.stopped import stopped
from sender.dispatch.store import SQL
from sender.dispatch.tenants import Tenants
from sender.explain import WORDS
from sender.policy import counters
from sender.policy.counters import Refusal
from sender.policy.holds import hold
from sender.policy.model import HandOver, Hold, Kind, Subject
from sender.policy.snapshots import settle_homes
from sender.queue import Batch, Intent, Job, Outcome
from sender.queue import State as Queued
from sender.reasons import ADDRESS_DRAINING, CAP_RACE, HOST_REFUSED, SUPPRESSED, TENANT_DELETED
from sender.schemas import State
from sender.stops import Mail, holding, widest_first

COUNTED = (Queued.DONE, Queued.UNKNOWN)
"""After these an intent keeps its place in the caps."""
REFUSED_HERE = timedelta(minutes=30)
"""For how long an address is held whose host refuses for good. It takes a person to correct the
host, so that trying sooner only costs work."""
SHOWN = {
    Queued.EXPIRED: State.EXPIRED,
    Queued.UNKNOWN: State.UNKNOWN,
    Queued.RETRY: State.DEFERRED,
    Queued.DEAD: State.BOUNCED_INFRASTRUCTURE,
}
"""Outcomes that the queue itself gives, as they are shown."""


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
    takes: Mapping[str, Any]
    """A `HandOver`, as it is written."""
    provider: str
    homely: Sequence[str] | None
    """The tenant's addresses that can be homes, if this one becomes the home of the From domain's
    mail to the provider."""

    @property
    def hand_over(self) -> HandOver:
        """What it takes of the caps."""
        return HandOver.read(self.takes)


@dataclass(frozen=True)
class Report:
    """What an outcome leaves beside the queue's own record."""

    kind: str
    """See `sender.schemas.Decision`."""
    state: State
    reason: str
    words: str
    details: Mapping[str, str | int | None] = field(default_factory=dict)
    held_ip: str | None = None
    """Address that is held, since its host refuses all mail."""


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
            await self._hold_addresses(connection, [report for _, report in reports])
        back = {
            result.job.id: (result.job, Place(**result.intent.data).hand_over)
            for result in batch.results
            if result.intent is not None and result.outcome.state not in COUNTED
        }
        places = {intent.job.id: Place(**intent.data) for intent in batch.intents}
        refused = await _obstacles(connection, batch.intents, places) if places else {}
        jobs = [intent.job for intent in batch.intents if intent.job.id not in refused]
        if jobs or back:
            wanted = {job.id: places[job.id].hand_over for job in jobs}
            refused |= await self._reserve(connection, jobs, wanted, list(back.values()))
        homes = [
            (intent.job.tenant_id, places[intent.job.id])
            for intent in batch.intents
            if places[intent.job.id].homely is not None and intent.job.id not in refused
        ]
        if homes:
            await self._settle_homes(connection, homes)
        return refused

    async def _reserve(
        self,
        connection: AsyncConnection[Any],
        jobs: Sequence[Job],
        wanted: Mapping[UUID, HandOver],
        back: Sequence[tuple[Job, HandOver]],
    ) -> dict[UUID, Outcome]:
        """Give places back, then take places in the order of the intents."""
        cursor = connection.cursor()
        returned = [hand_over for _, hand_over in back]
        reserved = await counters.reserve(cursor, wanted, returned=returned)
        for job, hand_over in back:
            self.tenants.given_back(job.bucket_id, job.tenant_id, hand_over)
        owners = {place.subject: job.tenant_id for job in jobs for place in wanted[job.id].places}
        self.tenants.counted(reserved.used, owners)
        self.tenants.admitted(job.bucket_id for job in jobs if job.id not in reserved.refused)
        return {id_: _no_place(refusal) for id_, refusal in reserved.refused.items()}

    async def _hold_addresses(
        self, connection: AsyncConnection[Any], reports: Sequence[Report]
    ) -> None:
        """Hold the addresses whose hosts refuse whatever they get: somebody must look at them."""
        refusing = {report.held_ip: report for report in reports if report.held_ip is not None}
        for ip in sorted(refusing):
            subject = Subject(Kind.ADDRESS, ip)
            words = str(refusing[ip].details.get("reply"))
            await hold(connection.cursor(), subject, HOST_REFUSED, REFUSED_HERE, words=words)
            until = self.tenants.clock.now() + REFUSED_HERE
            self.tenants.hold(Hold(subject, HOST_REFUSED, words, until))

    async def _settle_homes(
        self, connection: AsyncConnection[Any], homes: Sequence[tuple[UUID, Place]]
    ) -> None:
        values: dict[str, list[Any]] = {
            "tenant_ids": [tenant_id for tenant_id, _ in homes],
            "domains": [place.domain for _, place in homes],
            "providers": [place.provider for _, place in homes],
            "addresses": [place.address for _, place in homes],
            "kept": [json.dumps(place.homely) for _, place in homes],
        }
        for home in await settle_homes(connection.cursor(), values):
            self.tenants.settled(*home)


def reported(outcome: Outcome, report: Report) -> Outcome:
    """Return an outcome that leaves a report."""
    return replace(outcome, data=asdict(report))


def _no_place(refusal: Refusal) -> Outcome:
    words = f"{refusal.subject} has no place left: others were faster"
    return Outcome(Queued.RELEASED, CAP_RACE, words, spent=0)


def _report(outcome: Outcome) -> Report | None:
    """Return what an outcome leaves, also one that the queue itself has given."""
    if outcome.data is not None:
        return Report(**outcome.data)
    state = SHOWN.get(outcome.state)
    if state is None:
        return None
    words = outcome.words or WORDS.get(state, "")
    return Report("outcome", state, outcome.reason or state, words)


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
    ended = await connection.execute(SQL.closed, {"tenant_ids": list(set(tenant_ids))})
    suppressed = await connection.execute(SQL.suppressed, values)
    rows = connection.cursor(row_factory=dict_row)
    await rows.execute(SQL.stops, {"tenant_ids": list(set(tenant_ids))})
    closed = set(await ended.fetchall())
    refused = {id_: _suppressed(reasons) for id_, reasons in await suppressed.fetchall()}
    for (id_, place), tenant_id in zip(places.items(), tenant_ids, strict=True):
        if (tenant_id, None) in closed:
            refused[id_] = cancelled(TENANT_DELETED, "the tenant was deleted")
        elif (tenant_id, place.address) in closed and id_ not in refused:
            words = f"{place.address} takes no new mail: it is to be released"
            refused[id_] = Outcome(Queued.RELEASED, ADDRESS_DRAINING, words, spent=0)
    stops = widest_first(await rows.fetchall())
    for (id_, place), tenant_id in zip(places.items(), tenant_ids, strict=True):
        held_by = holding(stops, Mail(**place.mail), tenant_id=tenant_id)
        if held_by and id_ not in refused:
            refused[id_] = stopped(held_by[0], place.apart)
    return refused


def _suppressed(reasons: str) -> Outcome:
    return cancelled(SUPPRESSED, f"the recipient is suppressed: {reasons}")


def cancelled(reason: str, words: str) -> Outcome:
    """Return the outcome of a message that will never be handed over."""
    report = Report("decided", State.CANCELLED, reason, words)
    return reported(Outcome(Queued.CANCELLED, reason, words, spent=0), report)


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
