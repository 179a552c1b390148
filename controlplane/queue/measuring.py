"""Figures of the whole queue, measured rarely enough to cost little, for `top` and metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from controlplane.database import OPERATOR, Database, driver_of
from kit.metrics import Labels, Metric, exposition
from sender import mailq
from sender.live import Live, shown
from sender.policy.model import Kind, Subject
from sender.policy.subjects import owners_of
from sender.queue import operations
from sender.reasons import REASONS

SHARE = 10
"""How many times longer than a measurement takes is waited before the next."""
LEAST = 0.5
"""Seconds for which requests share a measurement."""
MOST_BUCKETS = 100
OTHER = "other"


@dataclass(frozen=True)
class Figures:
    """The queue at one moment."""

    at: float
    """Of a clock that never steps."""
    health: operations.Health
    depths: list[operations.Depth]
    buckets: list[operations.BusyBucket]
    rates: list[mailq.Rate]
    waits: mailq.Waits
    tenants: list[mailq.HandedOver]
    live: list[Live]
    """What senders show; as many as do."""
    owners: Mapping[str, str]
    """Names of tenants by the IPs of the addresses that senders show."""


class Measuring:
    """One measurement at a time, shared by all requests of this process."""

    def __init__(self, database: Database, redis_url: str | None = None) -> None:
        self._database = database
        self._redis_url = redis_url
        self._lock = asyncio.Lock()
        self._last: Figures | None = None
        self._next = 0.0

    async def figures(self) -> Figures:
        """Return the last measurement, or a new one if that costs little."""
        async with self._lock:
            began = time.monotonic()
            if self._last is None or began >= self._next:
                self._last = await self._measure(began)
                ended = time.monotonic()
                self._next = ended + max(LEAST, SHARE * (ended - began))
            return self._last

    async def _measure(self, at: float) -> Figures:
        async with self._database.begin(OPERATOR) as connection:
            senders = await operations.workers(await driver_of(connection))
        live = await shown(self._redis_url, senders)
        ips = {address.ip for one in live for address in one.addresses}
        subjects = [Subject(Kind.ADDRESS, ip) for ip in ips]
        async with self._database.begin(OPERATOR) as connection:
            driver = await driver_of(connection)
            owners = await owners_of(driver.cursor(), subjects)
            return Figures(
                at=at,
                live=live,
                owners={subject.name: owner.tenant for subject, owner in owners.items()},
                tenants=await mailq.handed_over(driver),
                health=await operations.health(driver),
                depths=await operations.depths(driver),
                buckets=await operations.busiest_buckets(driver, limit=MOST_BUCKETS),
                rates=await mailq.rates(driver),
                waits=await mailq.waits(driver),
            )


def metrics(figures: Figures) -> str:
    """Return figures in Prometheus' text form."""
    depths: dict[Labels, float] = {}
    oldest: dict[Labels, float] = {}
    for depth in figures.depths:
        labels = (depth.state, _label(depth.reason))
        depths[labels] = depths.get(labels, 0.0) + depth.jobs
        oldest[labels] = max(oldest.get(labels, 0.0), depth.oldest_seconds)
    outcomes: dict[Labels, float] = {}
    for rate in figures.rates:
        labels = (rate.state, _label(rate.reason))
        outcomes[labels] = outcomes.get(labels, 0.0) + rate.mails / mailq.WINDOW.total_seconds()
    health, by_reason = figures.health, ("state", "reason")
    return exposition(
        [
            Metric("penguin_queue_mails", "gauge", "Mails in the queue.", by_reason, depths),
            Metric(
                "penguin_queue_oldest_seconds",
                "gauge",
                "How long the oldest of them has been due, or in this state.",
                by_reason,
                oldest,
            ),
            Metric(
                "penguin_queue_outcomes_per_second",
                "gauge",
                "Outcomes of the last minute.",
                by_reason,
                outcomes,
            ),
            Metric(
                "penguin_queue_wait_seconds",
                "summary",
                "From due, and not held, to handed over, in the last minute.",
                ("quantile",),
                {
                    (name,): value
                    for name, value in (("0.5", figures.waits.p50), ("0.95", figures.waits.p95))
                    if value is not None
                },
            ),
            Metric.gauge("penguin_queue_senders", "Running senders.", health.workers),
            Metric.gauge(
                "penguin_queue_unserved_slots",
                "Parts of all tenants, of 256, that no sender serves.",
                health.unserved_slots,
            ),
            Metric.gauge(
                "penguin_queue_database_restored",
                "1: nothing is sent before a recovery.",
                health.is_restored,
            ),
            Metric.gauge(
                "penguin_queue_lagging_buckets",
                "Buckets whose mail is late and not held.",
                health.lagging_buckets,
            ),
            Metric.gauge(
                "penguin_queue_overdue_unknown",
                "Mails whose outcome has been unknown for more than an hour.",
                health.overdue_unknown,
            ),
            Metric.gauge(
                "penguin_queue_measured_seconds",
                "How long ago this was measured.",
                time.monotonic() - figures.at,
            ),
        ]
    )


def _label(reason: str | None) -> str:
    """Return a reason of the list, so that there are never more series than reasons."""
    return (reason or "") if reason is None or REASONS.get(reason) else OTHER
