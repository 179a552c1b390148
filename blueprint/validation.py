"""Rules across the fields of a tenant's document. All broken ones are reported together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from blueprint.catalogue import PLANS, UNLIMITED
from blueprint.collisions import NAME_LIMIT, collisions, too_long
from blueprint.mistakes import Mistake, Path, dotted
from blueprint.naming import CUSTOMERS_LABEL, EGRESS_LABEL, RETURN_PATH_LABEL
from blueprint.platform import Platform
from blueprint.tenant import Dns, Tenant

SPF_LOOKUPS = 10
"""RFC 7208 section 4.6.4; each host costs one."""
RESERVED_LABELS = (EGRESS_LABEL, RETURN_PATH_LABEL, CUSTOMERS_LABEL)
RESERVED_TENANTS = (CUSTOMERS_LABEL,)
"""Names directly below the platform's zone, where a tenant's hosts stand too."""


def mistakes(tenant: Tenant, platform: Platform) -> list[tuple[Path, Mistake]]:
    """Return every broken rule with the path of the value to change."""
    rules = (_tenant, _region, _plan, _hosts, _domains, _mailboxes)
    found = [mistake for rule in rules for mistake in rule(tenant, platform)]
    if not found:  # Only what is valid by itself has names that can meet.
        found = [*_lengths(tenant, platform), *_collisions(tenant, platform)]
    return [(path, _at(path, mistake)) for path, mistake in found]


Found = Iterator[tuple[Path, tuple[str, str, str]]]


def _at(path: Path, mistake: tuple[str, str, str]) -> Mistake:
    code, message, remedy = mistake
    return Mistake(code=code, message=message, remedy=remedy, path=dotted(path))


def _tenant(tenant: Tenant, platform: Platform) -> Found:
    name = tenant.metadata.name
    if name in RESERVED_TENANTS:
        yield (
            ("metadata", "name"),
            (
                "tenant.reserved_name",
                f"{name}.{platform.zone} is a name that the platform uses itself",
                "choose another name for the tenant",
            ),
        )


def _lengths(tenant: Tenant, platform: Platform) -> Found:
    for path, name in too_long(tenant, platform):
        yield (
            path,
            (
                "tenant.name_too_long",
                f"{name} would follow from this, longer than {NAME_LIMIT} characters",
                "choose a shorter name",
            ),
        )


def _collisions(tenant: Tenant, platform: Platform) -> Found:
    for path, name, owner in collisions(tenant, platform):
        yield (
            path,
            (
                "tenant.name_collision",
                f"this would use the name {name}, which {dotted(owner)} has already",
                f"change this, or {dotted(owner)}",
            ),
        )


def _region(tenant: Tenant, platform: Platform) -> Found:
    if tenant.spec.region not in platform.locations:
        known = ", ".join(sorted(platform.locations))
        yield (
            ("spec", "region"),
            (
                "tenant.unknown_region",
                f"region {tenant.spec.region} is not one of the platform's",
                f"use one of: {known}",
            ),
        )


def _plan(tenant: Tenant, platform: Platform) -> Found:  # noqa: ARG001 - all rules look alike
    plan, allowed = tenant.spec.plan, PLANS[tenant.spec.plan].domains
    if allowed != UNLIMITED and len(tenant.spec.domains) > allowed:
        yield (
            ("spec", "domains"),
            (
                "tenant.plan_limit",
                f"plan {plan} allows {allowed} domains, the file has {len(tenant.spec.domains)}",
                "remove domains or choose a larger plan",
            ),
        )


def _hosts(tenant: Tenant, platform: Platform) -> Found:  # noqa: ARG001
    hosts = tenant.spec.hosts
    yield from _repeated((host.name for host in hosts), ("spec", "hosts"), "name", "host")
    if len(hosts) > SPF_LOOKUPS:
        yield (
            ("spec", "hosts"),
            (
                "tenant.too_many_hosts",
                f"an SPF record allows {SPF_LOOKUPS} look-ups and each host costs one",
                f"use at most {SPF_LOOKUPS} hosts with more addresses each",
            ),
        )
    ours = {domain.name for domain in tenant.spec.domains if domain.dns is Dns.CLOUDFLARE}
    for index, host in enumerate(hosts):
        if host.name in RESERVED_LABELS:
            yield (
                ("spec", "hosts", index, "name"),
                (
                    "tenant.reserved_name",
                    f"{host.name} is a name that the platform uses itself",
                    "choose another name for the host",
                ),
            )
        if host.zone is not None and host.zone not in ours:
            yield (
                ("spec", "hosts", index, "zone"),
                (
                    "tenant.foreign_zone",
                    f"{host.zone} is not one of this tenant's domains with dns: cloudflare",
                    "add it to spec.domains with dns: cloudflare, or leave zone out",
                ),
            )


def _domains(tenant: Tenant, platform: Platform) -> Found:
    names = [domain.name for domain in tenant.spec.domains]
    yield from _repeated(names, ("spec", "domains"), "name", "domain")
    for index, name in enumerate(names):
        if name == platform.zone or name.endswith(f".{platform.zone}"):
            yield (
                ("spec", "domains", index, "name"),
                (
                    "tenant.platform_domain",
                    f"{name} belongs to the platform",
                    "use a domain of the tenant",
                ),
            )


def _mailboxes(tenant: Tenant, platform: Platform) -> Found:  # noqa: ARG001
    names = {domain.name for domain in tenant.spec.domains}
    boxes = tenant.spec.mailboxes
    yield from _repeated((b.address for b in boxes), ("spec", "mailboxes"), "address", "mailbox")
    for index, box in enumerate(boxes):
        if box.address.partition("@")[2] not in names:
            yield (
                ("spec", "mailboxes", index, "address"),
                (
                    "tenant.foreign_mailbox",
                    f"{box.address} is not in one of this tenant's domains",
                    f"use one of: {', '.join(sorted(names))}",
                ),
            )


def _repeated(values: Iterable[str], path: Path, key: str, what: str) -> Found:
    seen: Counter[str] = Counter()
    for index, value in enumerate(values):
        seen[value] += 1
        if seen[value] > 1:
            yield (
                (*path, index, key),
                (
                    "tenant.duplicate",
                    f"{what} {value} stands here a second time",
                    "remove one of the two",
                ),
            )
