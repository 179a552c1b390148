"""`penguin unfreeze`: order, or end, servers again."""

from __future__ import annotations

import typer

from cli.api import connect
from cli.freeze import WhatArgument
from cli.output import Format, OutputOption, print_result
from cli.pause import ReasonOption
from controlplane.freezes.schemas import Freezes

app = typer.Typer()


@app.command()
def unfreeze(what: WhatArgument, reason: ReasonOption, output: OutputOption = Format.TABLE) -> None:
    """Let purchases, or the end of servers and addresses, go on; waiting tenants go first."""
    body = {"what": what.value, "reason": reason}
    print_result(
        f"platform: {what.value} not frozen",
        connect().post("/platform/unfreeze", Freezes, body),
        output,
    )
