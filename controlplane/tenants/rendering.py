"""Renders a stored tenant, for both the reconciler and the API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from blueprint.document import Blueprint, PublicKeys
from blueprint.platform import Platform
from blueprint.render import render
from blueprint.tenant import DomainSpec, HostSpec
from controlplane.hosts.repository import HostRow
from controlplane.tenants import draining as draining_rows
from controlplane.tenants import draining_domains as domain_rows
from controlplane.tenants.draining import Draining
from controlplane.tenants.draining_domains import DrainingDomain
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


def render_before_a_pass(
    row: TenantRow,
    hosts: Mapping[str, HostRow],
    platform: Platform,
    *,
    keys: PublicKeys | None,
    addresses: Iterable[Draining],
    domains: Iterable[DrainingDomain],
) -> Blueprint:
    """Render a tenant with what is kept, also of a document that no pass has seen yet."""
    return render_tenant(
        row,
        hosts,
        platform,
        keys=keys,
        draining=draining_rows.kept_before_a_pass(row, addresses),
        draining_domains=domain_rows.kept_before_a_pass(row, domains),
    )
