"""`penguin resume`: a paused tenant's document is applied again."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.api import connect, tenant_path
from cli.output import Format, OutputOption, print_result
from cli.pause import ReasonOption

app = typer.Typer()


@app.command()
def resume(
    tenant: Annotated[str, typer.Argument(help="name of the tenant")],
    reason: ReasonOption,
    output: OutputOption = Format.TABLE,
) -> None:
    """Apply what a paused tenant's document says."""
    resumed = connect().send("POST", f"{tenant_path(tenant)}/resume", {"reason": reason}).json()
    print_result(f"tenant/{tenant} resumed", resumed, output)
