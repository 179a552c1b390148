"""`penguin limits`: what may be spent on servers, and how many may be ordered in a day."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.api import connect, tenant_path
from cli.faults import USAGE
from cli.kinds import TENANT
from cli.names import tenant_name
from cli.options import cents_of, whole_number
from cli.output import Format, OutputOption, plain, print_result, print_rows
from cli.pause import ReasonOption
from cli.times import moment
from controlplane.limits.schemas import LimitPage, LimitView, WideScope

app = typer.Typer(help="Limits on purchases, for operators.", no_args_is_help=True)
COLUMNS = ("scope", "monthly_usd", "orders_a_day", "reason", "actor", "since")
NONE = "none"
PATH = "/platform/limits"


@app.command("list")
def list_all(output: OutputOption = Format.TABLE) -> None:
    """List what purchases are limited to, why, by whom and since when."""
    items = list(connect().pages(PATH, LimitPage))
    rows = map(_row, items) if output is Format.TABLE else map(plain, items)
    print_rows(list(rows), COLUMNS, output)


@app.command("set")
def set_limits(
    scope: Annotated[
        str,
        typer.Argument(
            metavar="SCOPE",
            help="platform: all servers; tenants: those of each tenant; tenant/NAME: of one",
        ),
    ],
    reason: ReasonOption,
    monthly: Annotated[
        str | None, typer.Option(help=f"what servers may cost: USD a month, as 500.00; {NONE}")
    ] = None,
    orders_a_day: Annotated[
        str | None, typer.Option(help=f"how many servers may be ordered in 24 hours; {NONE}")
    ] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Limit purchases, right before each order; an order under way ends, and no server does.

    A tenant without a limit of its own has that of each tenant. Those that wait go on at once.
    """
    body: dict[str, object] = {}
    if monthly is not None:
        body["monthly_usd_cents"] = None if monthly == NONE else cents_of(monthly)
    if orders_a_day is not None:
        body["orders_a_day"] = None if orders_a_day == NONE else _number(orders_a_day)
    if not body:
        raise USAGE(mistake="no limit is given", remedy="add --monthly or --orders-a-day, or both")
    path, of = _address(scope)
    view = connect().post(path, LimitView, body | of | {"reason": reason})
    row = _row(view)
    line = f"{scope}: USD a month {row['monthly_usd']}, orders a day {row['orders_a_day']}"
    print_result(line, view, output)


def _address(scope: str) -> tuple[str, dict[str, str]]:
    """Return the path of a scope, and what names it in the body."""
    if scope in list(WideScope):
        return PATH, {"scope": scope}
    if scope.partition("/")[0] != TENANT.name:
        remedy = "write platform, tenants, or tenant/NAME"
        raise USAGE(mistake=f"{scope} has no limits", remedy=remedy)
    return f"{tenant_path(tenant_name([scope]))}/limits", {}


def _number(text: str) -> int:
    try:
        return int(whole_number(text))
    except ValueError:
        mistake = f"{text} is not a whole number"
        raise USAGE(mistake=mistake, remedy=f"write it as 10, or {NONE}") from None


def _row(limit: LimitView) -> dict[str, object]:
    cents = limit.monthly_usd_cents
    unset = "as tenants" if limit.tenant else NONE
    return {
        "scope": limit.scope if limit.tenant is None else f"tenant/{limit.tenant}",
        "monthly_usd": unset if cents is None else f"{cents / 100:.2f}",
        "orders_a_day": unset if limit.orders_a_day is None else limit.orders_a_day,
        "reason": limit.reason,
        "actor": limit.actor,
        "since": limit.since and moment(limit.since),
    }
