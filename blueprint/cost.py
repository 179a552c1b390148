"""What a tenant costs at the provider in a month."""

from __future__ import annotations

from blueprint.catalogue import PLANS, SIZES, UNLIMITED
from blueprint.document import Cost, CostItem
from blueprint.naming import address_name
from blueprint.platform import Platform
from blueprint.tenant import Tenant


def cost_of(tenant: Tenant, platform: Platform) -> Cost:
    """Add up each VPS and each further address, by the operator's prices."""
    included = _included(tenant)
    items: list[CostItem] = []
    for host in tenant.spec.hosts:
        items.append(
            CostItem(
                item=f"{host.name}: VPS {host.size}",
                host=host.name,
                usd_cents=platform.prices.vps[host.size],
                estimate=SIZES[host.size].price_is_estimate,
            )
        )
        items += [
            CostItem(
                item=f"{address_name(host.name, index)}: IPv4 address",
                usd_cents=platform.prices.address,
                estimate=False,
                included=address_name(host.name, index) in included,
            )
            for index in range(2, host.addresses + 1)
        ]
    return Cost(items=tuple(items), usd_cents=sum(item.usd_cents for item in items))


def _included(tenant: Tenant) -> set[str]:
    """Return the further addresses that the plan covers, independent of the document's order."""
    further = sorted(
        (host.name, index) for host in tenant.spec.hosts for index in range(2, host.addresses + 1)
    )
    covered = PLANS[tenant.spec.plan].included_addresses
    names = [address_name(host, index) for host, index in further]
    return set(names if covered == UNLIMITED else names[:covered])


def dollars(cents: int) -> str:
    """Format cents: 4897 is `$48.97`."""
    return f"${cents // 100}.{cents % 100:02}"
