"""`penguin release`: do not wait until hosts have sent the mail of what is removed."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.api import Api, connect, tenant_path
from cli.conditions import of_subject
from cli.consent import require_consent
from cli.names import TenantArgument, tenant_name
from cli.output import Format, OutputOption, print_result
from cli.pause import ReasonOption
from controlplane.tenants.schemas import TenantView

app = typer.Typer()


@app.command()
def release(
    tenant: TenantArgument,
    reason: ReasonOption,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Release a tenant's draining addresses and domains now, and do not wait for their mail.

    What hosts still have at these addresses is lost; what they have of these domains fails DKIM.
    """
    name = tenant_name(tenant)
    api = connect()
    shown = api.get(tenant_path(name), TenantView)
    if not yes:
        question = f"Release what drains of tenant {name}? {lost(shown)}"
        require_consent(question, f"penguin release tenant/{name} --reason …")
    released = release_now(api, name, reason)
    print_result(f"tenant/{name}: what drains is released. {lost(shown)}", released, output)


def release_now(api: Api, name: str, reason: str) -> TenantView:
    """Let nothing be waited for."""
    return api.post(f"{tenant_path(name)}/release", TenantView, {"reason": reason})


def lost(tenant: TenantView) -> str:
    """Say what is lost, as far as the last pass has seen it."""
    drained = of_subject(tenant.conditions, "tenant", "Drained")
    if drained is None or drained.status != "False":
        return "Mail that hosts have accepted and not sent yet is lost, or fails DKIM"
    return f"Not waited for, as last seen: {drained.message}"
