"""Metrics of one sender process: outcomes, what is not written yet, addresses."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from kit.metrics import Metric, exposition
from sender.queue import Attempt, Handler, Outcome, Worker
from sender.queue.model import DONE
from sender.reasons import REASONS
from sender.smtp import Egress
from sender.smtp.breaker import BreakerState

OTHER = "other"


@dataclass
class Metrics:
    """Of one process; empty until it works."""

    _outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    _worker: Worker | None = None
    _egress: Egress | None = None

    def counting(self, handler: Handler) -> Handler:
        """Return a handler whose outcomes are counted."""

        async def counted(attempt: Attempt) -> Outcome:
            outcome = await handler(attempt) or DONE
            known = REASONS.get(outcome.reason) is not None
            reason = (outcome.reason or "") if known or not outcome.reason else OTHER
            self._outcomes[outcome.state.value, reason] += 1
            return outcome

        return counted

    def watch(self, worker: Worker, egress: Egress) -> None:
        """Show the state of a worker, and of the connections to hosts, from now on."""
        self._worker, self._egress = worker, egress

    def text(self) -> str:
        """Return everything in Prometheus' text form."""
        outcomes = Metric(
            "penguin_sender_outcomes_total",
            "counter",
            "Attempts that are over, by outcome and reason.",
            ("outcome", "reason"),
            {key: float(count) for key, count in self._outcomes.items()},
        )
        return exposition([outcomes, *self._of_worker(), *self._of_addresses()])

    def _of_worker(self) -> list[Metric]:
        if self._worker is None:
            return []
        unwritten = self._worker.unwritten()
        return [
            Metric.gauge(
                "penguin_sender_slots",
                "Parts of all tenants, of 256, that this process serves.",
                len(self._worker.slots),
            ),
            Metric.gauge(
                "penguin_sender_unwritten_outcomes",
                "Outcomes in hand that are not in the database yet.",
                unwritten.count,
            ),
            Metric.gauge(
                "penguin_sender_outcome_batch_age_seconds",
                "How long outcomes have been in hand without one being written.",
                unwritten.seconds,
            ),
        ]

    def _of_addresses(self) -> list[Metric]:
        if self._egress is None:
            return []
        states = self._egress.state()
        breakers = Counter({(state.value,): 0 for state in BreakerState})
        breakers.update((address.breaker.value,) for address in states)
        idle = sum(address.idle for address in states)
        return [
            Metric(
                "penguin_sender_addresses",
                "gauge",
                "Sending addresses that were used lately, by the state of their breaker.",
                ("breaker",),
                {key: float(count) for key, count in breakers.items()},
            ),
            Metric(
                "penguin_sender_connections",
                "gauge",
                "Connections to hosts.",
                ("state",),
                {
                    ("idle",): idle,
                    ("busy",): sum(address.connections for address in states) - idle,
                },
            ),
        ]
