"""Validates and renders documents for `penguin apply --dry-run`, without storing them."""

from __future__ import annotations

from enum import StrEnum

from blueprint.cost import dollars
from blueprint.loading import Source, settled
from blueprint.render import render
from cli import settings
from cli.api import Api, tenant_path
from controlplane.tenants.schemas import TenantView


class DryRun(StrEnum):
    """Values of `--dry-run`."""

    NONE = "none"
    CLIENT = "client"
    SERVER = "server"


def on_client(source: Source) -> tuple[str, str]:
    """Render a document on this machine; return the outcome, and the line that tells it."""
    platform = settings.platform()
    tenant = settled(source.tenant, platform)
    blueprint = render(tenant, platform=platform, keys=None, generation=1)
    cost = dollars(blueprint.cost.usd_cents)
    return "valid", f"tenant/{source.name} valid, {cost} a month (client dry run)"


def on_server(api: Api, source: Source) -> tuple[str, str]:
    """Render a document by the control plane, which also knows the plan and what is stored."""
    blueprint = api.render(source.tenant)
    stored = api.find(tenant_path(source.name), TenantView)
    if stored is None:
        outcome = "created"
    else:
        wanted = source.tenant.model_copy(update={"spec": blueprint.spec})
        outcome = "unchanged" if stored.document == wanted else "configured"
    cost = dollars(blueprint.cost.usd_cents)
    return outcome, f"tenant/{source.name} {outcome}, {cost} a month (server dry run)"
