"""`penguin delete`: delete a tenant and everything that exists for it."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import wait
from cli.api import Api, connect, tenant_path
from cli.consent import DestroyMailOption, destroying, require_consent
from cli.names import TenantArgument, tenant_name
from cli.output import Format, OutputOption, print_result
from cli.release import lost, release_now
from cli.times import seconds
from controlplane.tenants.schemas import TenantView

app = typer.Typer()
ForgetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--forget-zone",
        metavar="ZONE",
        help="give up the records in a zone that the Cloudflare token does not reach any more",
    ),
]


@app.command()
def delete(
    tenant: TenantArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    until_gone: Annotated[bool, typer.Option("--wait", help="wait until it is gone")] = False,
    timeout: Annotated[str, typer.Option(help="for --wait, as 300s or 5m")] = "300s",
    forget_zone: ForgetOption = None,
    at_once: Annotated[
        bool, typer.Option("--now", help="do not wait until its hosts have sent accepted mail")
    ] = False,
    yes_destroy_mail: DestroyMailOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Delete a tenant: its mail stops, its servers and records are removed.

    Servers are kept until they have sent the mail that they have accepted, at most 48 hours.
    """
    name = tenant_name(tenant)
    limit = seconds(timeout)
    api = connect()
    shown = api.get(tenant_path(name), TenantView)
    if not yes:
        question = f"Delete tenant {name}, its servers, addresses, records and queued mail?"
        question += f" {lost(shown)}." if at_once else ""
        require_consent(question, f"penguin delete tenant/{name}{' --now' if at_once else ''}")
    forget(api, name, forget_zone)
    api.delete(tenant_path(name), **destroying(agreed=yes_destroy_mail))
    if at_once:
        release_now(api, name, "the tenant is deleted with --now")
    result = {"kind": "tenant", "name": name, "outcome": "deleting"}
    if output is Format.TABLE or not until_gone:
        print_result(f"tenant/{name} is being deleted", result, output)
    if until_gone:
        wait.for_deletion(api, name, limit, output)
        print_result(f"tenant/{name} deleted", result | {"outcome": "deleted"}, output)


def forget(api: Api, name: str, zones: list[str] | None) -> None:
    """Give up records of a tenant, if zones are named."""
    if zones:
        api.post(f"{tenant_path(name)}/forget-zones", TenantView, {"zones": zones})
