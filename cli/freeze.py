"""`penguin freeze`: for the whole platform, order nothing, or end nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.api import connect
from cli.output import Format, OutputOption, print_result
from cli.pause import ReasonOption
from cli.times import moment
from controlplane.freezes.schemas import Freezes, FreezeView, Frozen

app = typer.Typer()
WhatArgument = Annotated[
    Frozen,
    typer.Argument(help="purchases: no server is ordered; destruction: none, and no address, ends"),
]


@app.command()
def freeze(what: WhatArgument, reason: ReasonOption, output: OutputOption = Format.TABLE) -> None:
    """Let no purchase, or no end of a server or address, begin for any tenant until `unfreeze`.

    A call that is under way ends. Everything else goes on; what is held back is in `penguin todo`.
    """
    body = {"what": what.value, "reason": reason}
    print_result(
        f"platform: {what.value} frozen", connect().post("/platform/freeze", Freezes, body), output
    )


def frozen_line(freeze: FreezeView) -> str:
    """Return what is frozen for all tenants, why, by whom and since when."""
    since = moment(freeze.since)
    return f"{freeze.what} of all tenants: {freeze.reason} (by key {freeze.actor}, since {since})"
