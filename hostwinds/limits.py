"""Limits of an operator on all purchases of one journal, checked right before each order."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hostwinds.faults import LIMIT_REACHED
from hostwinds.journal.port import Intent
from hostwinds.numbers import number

MONTHLY, A_DAY = "HOSTWINDS_MONTHLY_LIMIT", "HOSTWINDS_ORDERS_A_DAY"


@dataclass(frozen=True)
class Limits:
    """What may be bought; None: as much as tenants ask for."""

    monthly_cents: int | None = None
    """What all servers together may cost."""
    orders_a_day: int | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Limits:
        """Take `HOSTWINDS_MONTHLY_LIMIT` (US dollars) and `HOSTWINDS_ORDERS_A_DAY`."""
        monthly = a_day = None
        if environment.get(MONTHLY):
            monthly = round(number(environment, MONTHLY, 0) * 100)
        if environment.get(A_DAY):
            a_day = int(number(environment, A_DAY, 0))
        return cls(monthly, a_day)

    def check(self, name: str, cents: int, rows: Sequence[Intent], now: datetime) -> None:
        """Raise LIMIT_REACHED where one more server at this price would exceed a limit.

        `rows` are the whole ledger: what was ordered counts at the highest price that it may cost,
        whether it is known to be bought or not.
        """
        servers = [row for row in rows if row.ordered and "/" not in row.key]
        monthly = cents + sum(
            row.ceiling_cents or row.agreed_cents or 0 for row in servers if row.closed_at is None
        )
        if self.monthly_cents is not None and monthly > self.monthly_cents:
            what = f"all servers would cost {monthly / 100:.2f} USD a month, and "
            what += f"{MONTHLY} is {self.monthly_cents / 100:.2f}"
            raise LIMIT_REACHED(name=name, what=what)
        recent = sum(row.opened_at > now - timedelta(days=1) for row in servers)
        if self.orders_a_day is not None and recent >= self.orders_a_day:
            what = f"{recent} servers were ordered within a day, and {A_DAY} is {self.orders_a_day}"
            raise LIMIT_REACHED(name=name, what=what)
