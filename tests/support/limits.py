"""Limits on purchases, written below the API, which has tests of its own."""

from __future__ import annotations

import psycopg

from hostwinds.journal.port import Limit
from hostwinds.journal.postgres import ensure_schema


def limit(dsn: str, one: Limit) -> None:
    """Set the limits of a scope."""
    with psycopg.connect(dsn) as admin:
        ensure_schema(admin)
        admin.execute(
            "insert into purchase.limits (scope, monthly_cents, orders_a_day, reason, actor) "
            "values (%s, %s, %s, 'the budget', 'pm_live_1') on conflict (scope) do update set "
            "monthly_cents = excluded.monthly_cents, orders_a_day = excluded.orders_a_day",
            [one.scope, one.monthly_cents, one.orders_a_day],
        )
