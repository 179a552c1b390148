"""What the sender writes in the queue's transactions: caps, events; and what it refuses there.

Whether a message may leave is decided here, in the transaction of its intent: everything before it
is memory, which saves work.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypedDict
from uuid import UUID

from psycopg import AsyncConnection, AsyncCursor

from sender.directory import closed
from sender.dispatch.stopped import stopped
from sender.dispatch.store import SQL
from sender.dispatch.tenants import Tenants
from sender.explain import WORDS
from sender.policy import counters, database
from sender.policy.counters import Refusal
from sender.policy.holds import hold
from sender.policy.model import HandOver, Hold, Kind, Subject
from sender.policy.names import BucketName
from sender.policy.snapshots import settle_homes
from sender.queue import Batch, Intent, Job, Outcome
from sender.queue import State as Queued
from sender.queue.session import Cursors
from sender.reasons import (
    ADDRESS_DRAINING,
    CAP_RACE,
    DOMAIN_UNKNOWN,
    HOST_REFUSED,
    SUPPRESSED,
    TENANT_DELETED,
)
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


class Place(TypedDict):
    """What an intent needs: a place in the caps of a day, and that nothing forbids it."""

    recipient: str
    """Hash of the address, in hexadecimal."""
    bucket: str
    """Name of the bucket."""
    mailbox: str
    """That it counts as."""
    domain: str
    provider: str
    campaign: str | None
    queue: str
    """The class of its priority."""
    address: str
    """Name of the sending address."""
    takes: str
    """A `HandOver`, as it is written."""
    homely: Sequence[str] | None
    """The tenant's addresses that can be homes, if this one becomes the home of the From domain's
    mail to the provider."""


class Report(TypedDict):
    """What an outcome leaves beside the queue's own record."""

    kind: str
    """See `sender.schemas.Decision`."""
    state: State
    reason: str
    words: str
    details: Mapping[str, str | int | None]
    held_ip: str | None
    """Address that is held, since its host refuses all mail."""


@dataclass(frozen=True)
class Accounting:
    """The extension of the queue's worker."""

    tenants: Tenants
    _cursors: Cursors = field(default_factory=Cursors)

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
            await self._record(connection, reports)
            await self._hold_addresses(connection, [report for _, report in reports])
        back = [
            (result.job, HandOver.read(result.intent.data["takes"]))
            for result in batch.results
            if result.intent is not None and result.outcome.state not in COUNTED
        ]
        if not (batch.intents or back):
            return {}
        refused = await self._admit(connection, batch.intents, back)
        homes = [
            (intent.job.tenant_id, intent.data)
            for intent in batch.intents
            if intent.data["homely"] is not None and intent.job.id not in refused
        ]
        if homes:
            await self._settle_homes(connection, homes)
        return refused

    async def _admit(
        self,
        connection: AsyncConnection[Any],
        intents: Sequence[Intent],
        back: Sequence[tuple[Job, HandOver]],
    ) -> dict[UUID, Outcome]:
        """Give places back, then take places in the order of the intents; return what is refused.

        Obstacles are rare, so that places are taken in the round trip that looks for them. What may
        not leave gives its places back: rows that this transaction has locked already.
        """
        asked = await self._ask_for_obstacles(connection, intents) if intents else None
        cursor = self._cursors.of(connection, database.SQL.reserve)
        wanted = {intent.job.id: HandOver.read(intent.data["takes"]) for intent in intents}
        reserved = await counters.reserve(cursor, wanted, returned=[taken for _, taken in back])
        obstacles = await _obstacles(asked, intents) if asked else {}
        owners = {
            place.subject: intent.job.tenant_id
            for intent in intents
            for place in wanted[intent.job.id].places
        }
        self.tenants.counted(reserved.used, owners)
        in_vain = [
            (intent.job.tenant_id, wanted[intent.job.id])
            for intent in intents
            if intent.job.id in obstacles and intent.job.id not in reserved.refused
        ]
        if in_vain:
            await counters.reserve(cursor, {}, returned=[taken for _, taken in in_vain])
        for tenant_id, taken in in_vain:
            self.tenants.not_counted(tenant_id, taken)
        for job, taken in back:
            self.tenants.given_back(job.bucket_id, job.tenant_id, taken)
        refused = {id_: _no_place(refusal) for id_, refusal in reserved.refused.items()} | obstacles
        self.tenants.admitted(
            intent.job.bucket_id for intent in intents if intent.job.id not in refused
        )
        return refused

    async def _ask_for_obstacles(
        self, connection: AsyncConnection[Any], intents: Sequence[Intent]
    ) -> AsyncCursor[tuple[Any, ...]]:
        """Send the question; its answer comes with the next one."""
        values = {
            "ids": [intent.job.id for intent in intents],
            "tenant_ids": [intent.job.tenant_id for intent in intents],
            "recipients": [bytes.fromhex(intent.data["recipient"]) for intent in intents],
            "concerned": list({intent.job.tenant_id for intent in intents}),
        }
        return await self._cursors.run(connection, SQL.obstacles, values)

    async def _record(
        self, connection: AsyncConnection[Any], reports: Sequence[tuple[Job, Report]]
    ) -> None:
        values = {
            "ids": [job.id for job, _ in reports],
            "tenant_ids": [job.tenant_id for job, _ in reports],
            "kinds": [report["kind"] for _, report in reports],
            "states": [str(report["state"]) for _, report in reports],
            "reasons": [report["reason"] for _, report in reports],
            "words": [report["words"] for _, report in reports],
            "details": [json.dumps(report["details"]) for _, report in reports],
        }
        await self._cursors.run(connection, SQL.record_events, values)

    async def _hold_addresses(
        self, connection: AsyncConnection[Any], reports: Sequence[Report]
    ) -> None:
        """Hold the addresses whose hosts refuse whatever they get: somebody must look at them."""
        refusing = {ip: report for report in reports if (ip := report["held_ip"]) is not None}
        for ip in sorted(refusing):
            subject = Subject(Kind.ADDRESS, ip)
            words = str(refusing[ip]["details"].get("reply"))
            await hold(connection.cursor(), subject, HOST_REFUSED, REFUSED_HERE, words=words)
            until = self.tenants.clock.now() + REFUSED_HERE
            self.tenants.hold(Hold(subject, HOST_REFUSED, words, until))

    async def _settle_homes(
        self, connection: AsyncConnection[Any], homes: Sequence[tuple[UUID, Place]]
    ) -> None:
        values: dict[str, list[Any]] = {
            "tenant_ids": [tenant_id for tenant_id, _ in homes],
            "domains": [place["domain"] for _, place in homes],
            "providers": [place["provider"] for _, place in homes],
            "addresses": [place["address"] for _, place in homes],
            "kept": [json.dumps(place["homely"]) for _, place in homes],
        }
        for home in await settle_homes(connection.cursor(), values):
            self.tenants.settled(*home)


def _no_place(refusal: Refusal) -> Outcome:
    words = f"{refusal.subject} has no place left: others were faster"
    return Outcome(Queued.RELEASED, CAP_RACE, words, spent=0)


def _report(outcome: Outcome) -> Report | None:
    """Return what an outcome leaves, also one that the queue itself has given."""
    if outcome.data is not None:
        report: Report = outcome.data
        return report
    state = SHOWN.get(outcome.state)
    if state is None:
        return None
    words = outcome.words or WORDS.get(state, "")
    return report_of("outcome", state, outcome.reason or state, words)


def report_of(
    kind: str,
    state: State,
    reason: str,
    words: str,
    details: Mapping[str, str | int | None] | None = None,
    *,
    held_ip: str | None = None,
) -> Report:
    """Return a report."""
    return Report(
        kind=kind,
        state=state,
        reason=reason,
        words=words,
        details=details or {},
        held_ip=held_ip,
    )


async def _obstacles(
    asked: AsyncCursor[tuple[Any, ...]], intents: Sequence[Intent]
) -> dict[UUID, Outcome]:
    """Return what does not let messages be handed over any more, by the ids of those messages."""
    found = await asked.fetchall()
    if not found:
        return {}
    suppressed = {id_: words for kind, id_, words, _ in found if kind == "suppressed"}
    deleted = {tenant_id for kind, tenant_id, _, _ in found if kind == "deleted"}
    draining = {(tenant_id, name) for kind, tenant_id, name, _ in found if kind == "draining"}
    stops = widest_first(stop for kind, _, _, stop in found if kind == "stop")
    refused = {}
    for intent in intents:
        id_, tenant_id = intent.job.id, intent.job.tenant_id
        if tenant_id in deleted:
            refused[id_] = cancelled(TENANT_DELETED, "the tenant was deleted")
        elif id_ in suppressed:
            refused[id_] = recipient_suppressed(suppressed[id_])
        elif (tenant_id, address := intent.data["address"]) in draining:
            words = f"{address} takes no new mail: it is to be released"
            refused[id_] = Outcome(Queued.RELEASED, ADDRESS_DRAINING, words, spent=0)
        elif (tenant_id, closed(domain := intent.data["domain"])) in draining:
            words = f"{domain} is not among the tenant's active domains any more"
            refused[id_] = Outcome(Queued.RELEASED, DOMAIN_UNKNOWN, words, spent=0)
        elif held_by := holding(stops, _mail(intent.data), tenant_id=tenant_id):
            refused[id_] = stopped(held_by[0], _apart(intent.data))
    return refused


def _mail(place: Place) -> Mail:
    """Return what stops know of a message."""
    campaign = place["campaign"]
    return Mail(
        domain=place["domain"],
        mailbox=place["mailbox"],
        campaign=None if campaign is None else campaign.lower(),
        queue=place["queue"],
        provider=place["provider"],
        address=place["address"],
    )


def _apart(place: Place) -> str:
    """Return the bucket that a message waits in where its campaign or queue is stopped."""
    return str(BucketName.parse(place["bucket"]).apart(place["queue"], place["campaign"]))


def cancelled(reason: str, words: str) -> Outcome:
    """Return the outcome of a message that will never be handed over."""
    report = report_of("decided", State.CANCELLED, reason, words)
    return Outcome(Queued.CANCELLED, reason, words, spent=0, data=report)


def recipient_suppressed(reasons: str) -> Outcome:
    """Return the outcome of a message whose recipient gets no mail for some reasons."""
    return cancelled(SUPPRESSED, f"the recipient is suppressed: {reasons}")
