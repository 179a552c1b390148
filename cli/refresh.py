"""`penguin refresh`: compare what is recorded of a tenant with what the providers have."""

from __future__ import annotations

import typer

from cli.api import connect, tenant_path
from cli.conditions import of_subject
from cli.names import TenantArgument, tenant_name
from cli.output import Format, OutputOption, print_result
from controlplane.tenants.schemas import TenantView

app = typer.Typer()


@app.command()
def refresh(tenant: TenantArgument, output: OutputOption = Format.TABLE) -> None:
    """Let the next operation read servers, addresses and records again, and repair what differs.

    The account is listed once a minute for all tenants, and records are looked up all the time:
    this is for what neither shows.
    """
    name = tenant_name(tenant)
    asked = connect().post(f"{tenant_path(name)}/refresh", TenantView, {})
    print_result(f"tenant/{name} is refreshed by its next operation{_after(asked)}", asked, output)


def _after(tenant: TenantView) -> str:
    """Return what has to be done before an operation begins."""
    if tenant.paused:
        return f", after `penguin resume {tenant.name}`"
    stalled = of_subject(tenant.conditions, "tenant", "Stalled")
    if stalled is not None and stalled.status == "True":
        return f", at the latest after `penguin retry {tenant.name}`"
    return ""
