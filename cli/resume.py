"""`penguin resume`: apply a paused tenant's document again."""

from __future__ import annotations

import typer

from cli.api import connect, tenant_path
from cli.names import TenantArgument, tenant_name
from cli.output import Format, OutputOption, print_result
from cli.pause import ReasonOption
from controlplane.tenants.schemas import TenantView

app = typer.Typer()


@app.command()
def resume(
    tenant: TenantArgument,
    reason: ReasonOption,
    output: OutputOption = Format.TABLE,
) -> None:
    """Apply a paused tenant's document again."""
    name = tenant_name(tenant)
    resumed = connect().post(f"{tenant_path(name)}/resume", TenantView, {"reason": reason})
    print_result(f"tenant/{name} resumed", resumed, output)
