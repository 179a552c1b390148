"""`penguin top`: how fast mail leaves, how much waits, and which buckets wait longest."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from cli import counts
from cli.api import Api, connect
from cli.environment import environment
from cli.output import Format, OutputOption, print_document
from cli.states import reason_in_words
from cli.table import Table
from cli.terminal import is_terminal, terminal_width
from cli.times import end, lasting
from controlplane.queue.schemas.figures import AddressTrafficView, BucketView, TopView, TrafficView

app = typer.Typer()
PAUSE = 2.0
"""Seconds between two looks."""
BUCKETS = ("tenant", "bucket", "mails", "oldest", "per_hour?", "state", "until", "release?")
TENANTS = ("tenant", "last_minute", "per_second")
ADDRESSES = ("tenant", "address", "ip", "in_hand", "waiting", "connections", "state")
DEPTHS = ("state", "reason", "mails", "oldest")


@app.command()
def top(
    once: Annotated[
        bool, typer.Option("--once", help="print it once, as without a terminal")
    ] = False,
    rows: Annotated[int, typer.Option("--rows", min=1, max=100, help="buckets to show")] = 15,
    output: OutputOption = Format.TABLE,
) -> None:
    """Show the traffic of all tenants, for operators; a terminal is refreshed every 2 s."""
    api = connect()
    if output is not Format.TABLE:
        print_document(_read(api, rows), output)
    elif once or not is_terminal(sys.stdout):
        print("\n".join(lines(_read(api, rows))))
    else:
        with Live(console=Console(), screen=True, auto_refresh=False) as live:
            while True:
                live.update(Text("\n".join(lines(_read(api, rows)))), refresh=True)
                environment().sleep(PAUSE)


def _read(api: Api, rows: int) -> TopView:
    return api.get("/queue/top", TopView, limit=rows)


def lines(top: TopView) -> list[str]:
    """Return what is shown."""
    width = terminal_width()
    sent = sum(rate.per_second for rate in top.rates if rate.state == "accepted")
    others = [
        f"{reason_in_words(rate.code) or rate.state} {rate.per_second:.1f}/s"
        for rate in top.rates
        if rate.state != "accepted"
    ]
    waits = f"p50 {_wait(top.wait_p50)}, p95 {_wait(top.wait_p95)}"
    head = [f"senders {top.workers}   handed over {sent:.1f}/s   from due to handed over: {waits}"]
    if top.is_restored:
        head.append("database_restored: nothing is sent before `penguin queue recover`")
    if others:
        head.append(f"others: {', '.join(others)}")
    if top.shown_senders < top.workers:
        head.append(f"connections and rates: shown by {top.shown_senders} of {top.workers} senders")
    depths: list[dict[str, object]] = [
        {
            "state": depth.state,
            "reason": reason_in_words(depth.code),
            "mails": counts.in_words(depth),
            "oldest": lasting(depth.oldest_seconds),
        }
        for depth in top.depths
    ]
    sections: list[tuple[Sequence[str], list[dict[str, object]]]] = [
        (TENANTS, [_traffic(one) for one in top.tenants]),
        (ADDRESSES, [_address(one) for one in top.addresses]),
        (DEPTHS, depths),
        (BUCKETS, [_bucket(one) for one in top.buckets]),
    ]
    for columns, rows in sections:
        if rows or columns is DEPTHS:
            head += ["", *Table(columns, rows, width).lines]
    return head


def _traffic(one: TrafficView) -> dict[str, object]:
    return {
        "tenant": one.tenant,
        "last_minute": one.handed_over,
        "per_second": f"{one.per_second:.1f}",
    }


def _address(one: AddressTrafficView) -> dict[str, object]:
    failed = f"{one.breaker}: {reason_in_words(one.reason)}".replace("_", " ")
    return {
        "tenant": one.tenant,
        "address": one.name,
        "ip": one.ip,
        "in_hand": one.in_hand,
        "waiting": one.waiting,
        "connections": f"{one.connections} of {one.limit}",
        "state": failed if one.reason else "ready",
    }


def _bucket(bucket: BucketView) -> dict[str, object]:
    return {
        "tenant": bucket.tenant,
        "bucket": bucket.bucket,
        "mails": counts.in_words(bucket),
        "oldest": lasting(bucket.oldest_seconds),
        "per_hour": None if bucket.per_hour is None else f"{bucket.per_hour:.1f}",
        "state": reason_in_words(bucket.code) if bucket.is_held else "due",
        "until": end(bucket.until) if bucket.is_held else None,
        "release": bucket.release,
    }


def _wait(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2f} s"
