"""What a tenant costs at the provider in a month."""

from __future__ import annotations

from blueprint.catalogue import SIZES
from blueprint.document import Cost, CostItem
from blueprint.naming import address_name
from blueprint.platform import Platform
from blueprint.tenant import Tenant


def cost_of(tenant: Tenant, platform: Platform) -> Cost:
    """Add up each VPS and each further address, by the operator's prices."""
    items: list[CostItem] = []
    for host in tenant.spec.hosts:
        items.append(
            CostItem(
                item=f"{host.name}: VPS {host.size}",
                usd_cents=platform.prices.vps[host.size],
                estimate=SIZES[host.size].price_is_estimate,
            )
        )
        items += [
            CostItem(
                item=f"{address_name(host.name, index)}: IPv4 address",
                usd_cents=platform.prices.address,
                estimate=False,
            )
            for index in range(2, host.addresses + 1)
        ]
    return Cost(items=tuple(items), usd_cents=sum(item.usd_cents for item in items))


def dollars(cents: int) -> str:
    """Print cents: 4897 is `$48.97`."""
    return f"${cents // 100}.{cents % 100:02}"
