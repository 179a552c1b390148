"""What the sender writes in the queue's transactions: caps, events; and what it refuses there.

Whether a message may leave is decided here, in the transaction of its intent: everything before it
is memory, which saves work.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from sender.dispatch.store import SQL
from sender.dispatch.tenants import Tenants
from sender.policy import Route
from sender.queue import Intent, Job, Outcome, Refused, operations
from sender.schemas import State, Stop

CAP_REASONS = frozenset({"mailbox_cap_reached", "warmup_cap_reached"})
Counted = tuple[str, str, date]
"""Kind, subject and UTC day of a counter."""


@dataclass(slots=True)
class Reservation:
    """A place in today's caps, from the intent on."""

    recipient: bytes
    """Hash of the address."""
    route: Route
    mailbox: str
    """Subject of its counter."""
    day: date | None = None
    """On which it was counted; None: it is not."""

    @property
    def counters(self) -> tuple[tuple[str, str, int], ...]:
        """Kind, subject and cap."""
        return (
            ("address", self.route.address.ip, self.route.address_cap),
            ("mailbox", self.mailbox, self.route.mailbox.daily_cap),
        )


@dataclass(frozen=True)
class Report:
    """What an outcome leaves beside the queue's own record."""

    kind: str
    """See `sender.schemas.Decision`."""
    state: State
    reason: str
    words: str
    details: Mapping[str, str | int | None] = field(default_factory=dict)
    refund: Reservation | None = None
    """A place that was not used."""


@dataclass(frozen=True)
class Accounting:
    """The hook of the queue's worker."""

    tenants: Tenants

    async def __call__(
        self,
        connection: AsyncConnection[Any],
        outcomes: Sequence[tuple[Job, Outcome]],
        intents: Sequence[Intent],
    ) -> Mapping[UUID, Refused]:
        """Record outcomes, and admit intents while suppressions, stops and caps let them."""
        reports = [(job, outcome.about) for job, outcome in outcomes if outcome.about is not None]
        if reports:
            await _record(connection, reports)
        refunds = [report.refund for _, report in reports if report.refund and report.refund.day]
        refused = await _obstacles(connection, intents) if intents else {}
        admitted = [intent for intent in intents if intent.job.id not in refused]
        if admitted or refunds:
            refused |= await self._count(connection, admitted, refunds)
        if refunds:
            for tenant_id in {job.tenant_id for job, report in reports if report.refund}:
                await _release_capped(connection, tenant_id)
        homes = [i for i in admitted if i.job.id not in refused and i.about.route.settles_home]
        if homes:
            await self._settle_homes(connection, homes)
        return refused

    async def _count(
        self,
        connection: AsyncConnection[Any],
        intents: Sequence[Intent],
        refunds: Sequence[Reservation],
    ) -> dict[UUID, Refused]:
        """Give places back, then take places in the order of the intents."""
        wanted: set[tuple[str, str, date | None]] = {
            (kind, subject, r.day) for r in refunds for kind, subject, _ in r.counters
        }
        for intent in intents:
            wanted |= {(kind, subject, None) for kind, subject, _ in intent.about.counters}
        names = _columns(wanted)
        await connection.execute(SQL.open_counters, names)
        cursor = await connection.execute(SQL.lock_counters, names)
        rows = await cursor.fetchall()
        used: dict[Counted, int] = {(kind, name, day): n for kind, name, day, n, _ in rows}
        before = dict(used)
        for refund in refunds:
            _give_back(used, refund)
        today = next((day for _, _, day, _, is_today in rows if is_today), None)
        refused = {}
        if today is not None:
            for intent in intents:
                refusal = _take(used, intent.about, today)
                if refusal is not None:
                    refused[intent.job.id] = refusal
            self.tenants.counted(
                {(kind, name): n for (kind, name, day), n in used.items() if day == today}
            )
        changed = {counter: count for counter, count in used.items() if count != before[counter]}
        if changed:
            counts = {"counts": list(changed.values())}
            await connection.execute(SQL.write_counters, _columns(changed) | counts)
        return refused

    async def _settle_homes(
        self, connection: AsyncConnection[Any], intents: Sequence[Intent]
    ) -> None:
        values = {
            "tenant_ids": [intent.job.tenant_id for intent in intents],
            "domains": [intent.about.route.domain.name for intent in intents],
            "addresses": [intent.about.route.address.name for intent in intents],
            "known": [json.dumps(intent.about.route.known) for intent in intents],
        }
        cursor = await connection.execute(SQL.settle_homes, values)
        for tenant_id, domain, address in await cursor.fetchall():
            self.tenants.settled(tenant_id, domain, address)


def _columns(counters: Iterable[tuple[str, str, date | None]]) -> dict[str, list[Any]]:
    kinds, subjects, days = zip(*counters, strict=True)
    return {"kinds": list(kinds), "subjects": list(subjects), "days": list(days)}


def _give_back(used: dict[Counted, int], refund: Reservation) -> None:
    for kind, subject, _ in refund.counters:
        if refund.day is not None:
            used[kind, subject, refund.day] = max(used[kind, subject, refund.day] - 1, 0)


def _take(used: dict[Counted, int], wanted: Reservation, today: date) -> Refused | None:
    for kind, subject, cap in wanted.counters:
        if used[kind, subject, today] >= cap:
            return Refused(f"{kind}_cap_reached", f"the cap of {cap} a day is used up")
    for kind, subject, _ in wanted.counters:
        used[kind, subject, today] += 1
    wanted.day = today
    return None


async def _obstacles(
    connection: AsyncConnection[Any], intents: Sequence[Intent]
) -> dict[UUID, Refused]:
    values = {
        "ids": [intent.job.id for intent in intents],
        "tenant_ids": [intent.job.tenant_id for intent in intents],
        "recipients": [intent.about.recipient for intent in intents],
        "domains": [intent.about.route.domain.name for intent in intents],
        "addresses": [intent.about.route.address.name for intent in intents],
    }
    cursor = await connection.execute(SQL.obstacles, values)
    refused = {}
    for id_, suppressed, stop in await cursor.fetchall():
        if suppressed is not None:
            words = f"the recipient is suppressed: {suppressed}"
            refused[id_] = Refused("suppressed", words)
        else:
            refused[id_] = Refused("stopped", Stop.model_validate(stop).sentence)
    return refused


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
        "states": [report.state.value for _, report in reports],
        "reasons": [report.reason for _, report in reports],
        "words": [report.words for _, report in reports],
        "details": [json.dumps(dict(report.details)) for _, report in reports],
    }
    await connection.execute(SQL.record_events, values)
