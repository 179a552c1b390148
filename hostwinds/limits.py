"""What operators limit all purchases to, and those of each owner, checked before each order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from hostwinds.faults import LIMIT_REACHED
from hostwinds.journal.port import EACH_OWNER, PLATFORM, Intent, Limit

DAY = timedelta(days=1)


def check(
    name: str, cents: int, rows: Sequence[Intent], limits: Sequence[Limit], now: datetime
) -> None:
    """Raise LIMIT_REACHED where one more server at this price would exceed a limit.

    `rows` are the whole ledger: what was ordered counts at the highest price that it may cost,
    whether it is known to be bought or not.
    """
    by_scope = {limit.scope: limit for limit in limits}
    servers = [row for row in rows if row.ordered and "/" not in row.key]
    _check(name, cents, servers, by_scope.get(PLATFORM), "all servers", now)
    owner = next((row.owner for row in rows if row.key == name and row.closed_at is None), "")
    if owner:
        none = Limit(owner)
        own, each = by_scope.get(owner, none), by_scope.get(EACH_OWNER, none)
        limit = Limit(
            owner,
            monthly_cents=_first(own.monthly_cents, each.monthly_cents),
            orders_a_day=_first(own.orders_a_day, each.orders_a_day),
        )
        owned = [row for row in servers if row.owner == owner]
        _check(name, cents, owned, limit, f"the servers of {_shown(owner)}", now)


def _check(
    name: str,
    cents: int,
    servers: Sequence[Intent],
    limit: Limit | None,
    which: str,
    now: datetime,
) -> None:
    if limit is None:
        return
    scope = _shown(limit.scope)
    monthly = cents + sum(
        row.ceiling_cents or row.agreed_cents or 0 for row in servers if row.closed_at is None
    )
    if limit.monthly_cents is not None and monthly > limit.monthly_cents:
        what = f"{which} would cost {monthly / 100:.2f} USD a month, and the limit is "
        what += f"{limit.monthly_cents / 100:.2f}"
        raise LIMIT_REACHED(
            name=name, what=what, scope=scope, change=f"--monthly {monthly / 100:.2f}"
        )
    recent = sum(row.opened_at > now - DAY for row in servers)
    if limit.orders_a_day is not None and recent >= limit.orders_a_day:
        what = f"it would be order {recent + 1} of {which} within a day, and the limit is "
        what += str(limit.orders_a_day)
        raise LIMIT_REACHED(
            name=name, what=what, scope=scope, change=f"--orders-a-day {recent + 1}"
        )


def _first(own: int | None, each: int | None) -> int | None:
    return each if own is None else own


def _shown(scope: str) -> str:
    """Return a scope as `penguin limits` takes it: an owner is `<installation>/<tenant>`."""
    return f"tenant/{scope.partition('/')[2]}" if "/" in scope else scope
