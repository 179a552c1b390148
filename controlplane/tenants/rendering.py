"""Renders a stored tenant, for both the reconciler and the API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from blueprint.document import Blueprint, PublicKeys
from blueprint.platform import Platform
from blueprint.render import render
from blueprint.tenant import DomainSpec, HostSpec
from controlplane.hosts.repository import HostRow
from controlplane.tenants.repository import TenantRow


def render_tenant(
    row: TenantRow,
    hosts: Mapping[str, HostRow],
    platform: Platform,
    *,
    keys: PublicKeys | None,
    draining: Mapping[str, HostSpec],
    draining_domains: Iterable[DomainSpec],
) -> Blueprint:
    """Render the current generation of a tenant with the incarnations of its hosts.

    `draining` are its addresses that are kept, each with its host; `draining_domains` its domains.
    """
    return render(
        row.document,
        platform=platform,
        keys=keys,
        generation=row.generation,
        incarnations={name: host.incarnation for name, host in hosts.items()},
        draining=draining,
        draining_domains=draining_domains,
    )
