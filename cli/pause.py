"""`penguin pause`: changes for a tenant stop; observing, certificate renewal and mail go on."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.api import connect, tenant_path
from cli.output import Format, OutputOption, print_result

app = typer.Typer()
ReasonOption = Annotated[str, typer.Option("--reason", help="why, for those who come after")]


@app.command()
def pause(
    tenant: Annotated[str, typer.Argument(help="name of the tenant")],
    reason: ReasonOption,
    output: OutputOption = Format.TABLE,
) -> None:
    """Stop changing anything for a tenant until `penguin resume`."""
    paused = connect().send("POST", f"{tenant_path(tenant)}/pause", {"reason": reason}).json()
    print_result(f"tenant/{tenant} paused", paused, output)
