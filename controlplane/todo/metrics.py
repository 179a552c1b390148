"""Metrics of what is due, of required actions, and of what is frozen, over all tenants."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.conditions import repository as conditions
from controlplane.freezes.repository import frozen
from controlplane.freezes.schemas import Frozen
from controlplane.purchases.repository import Rate, rates
from controlplane.schedule import repository as schedule
from controlplane.schedule.schemas import Pool
from kit.metrics import Metric


async def measure(connection: AsyncConnection, *, now: datetime) -> list[Metric]:
    """Return the metrics; each query reads an index of just what it counts."""
    due = await schedule.backlog(connection, now=now)
    asked = await conditions.count_asked(connection)
    waiting = await schedule.count_waiting(connection)
    stalled = await conditions.count_stalled(connection)
    freezes = {freeze.what for freeze in await frozen(connection)}
    return [
        *_of_requests(await rates(connection)),
        Metric(
            "penguin_reconciler_due",
            "gauge",
            "Tenants whose pass is due and that no worker has taken, by why it is due.",
            ("why",),
            {(each.why,): float(each.passes) for each in due},
        ),
        Metric(
            "penguin_reconciler_oldest_due_seconds",
            "gauge",
            "For how long the oldest of them has been due.",
            ("why",),
            {(each.why,): max(each.seconds, 0.0) for each in due},
        ),
        Metric(
            "penguin_reconciler_waiting_for_slot",
            "gauge",
            "Tenants whose operation waits until one of another tenant has ended, by pool.",
            ("pool",),
            {(pool,): float(waiting.get(pool, 0)) for pool in Pool},
        ),
        Metric(
            "penguin_reconciler_todo",
            "gauge",
            "Entries of `penguin todo`, by reason and who has to act.",
            ("reason", "acts"),
            {key: float(count) for key, count in asked.items()},
        ),
        Metric(
            "penguin_reconciler_stalled",
            "gauge",
            "Tenants whose failed steps are not repeated by themselves, by reason.",
            ("reason",),
            {(reason,): float(count) for reason, count in stalled.items()},
        ),
        Metric(
            "penguin_reconciler_frozen",
            "gauge",
            "1: an operator has frozen it.",
            ("what",),
            {(what,): float(what in freezes) for what in Frozen},
        ),
    ]


def _of_requests(rates: Sequence[Rate]) -> list[Metric]:
    return [
        Metric(
            "penguin_provider_requests_total",
            "counter",
            "Requests of all processes to a provider for which its rate was kept.",
            ("provider",),
            {(each.provider,): float(each.requests) for each in rates},
        ),
        Metric(
            "penguin_provider_wait_seconds_total",
            "counter",
            "How long these requests have waited for their turn together.",
            ("provider",),
            {(each.provider,): each.waited for each in rates},
        ),
        Metric(
            "penguin_provider_refusals_total",
            "counter",
            "How often a provider has refused all further requests for a time.",
            ("provider",),
            {(each.provider,): float(each.refusals) for each in rates},
        ),
    ]
