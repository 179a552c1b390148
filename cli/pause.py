"""`penguin pause`: stop a tenant's changes; observation, certificate renewal and mail continue."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.api import connect, tenant_path
from cli.names import TenantArgument, tenant_name
from cli.output import Format, OutputOption, print_result
from controlplane.tenants.schemas import TenantView

app = typer.Typer()
ReasonOption = Annotated[str, typer.Option("--reason", help="why; recorded with the event")]


@app.command()
def pause(
    tenant: TenantArgument,
    reason: ReasonOption,
    output: OutputOption = Format.TABLE,
) -> None:
    """Stop changing anything for a tenant until `penguin resume`."""
    name = tenant_name(tenant)
    paused = connect().post(f"{tenant_path(name)}/pause", TenantView, {"reason": reason})
    print_result(f"tenant/{name} paused", paused, output)
