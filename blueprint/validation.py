"""Rules across the fields of a tenant's document. All violations are reported together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from blueprint.catalogue import PLANS, UNLIMITED
from blueprint.collisions import NAME_LIMIT, Named, collisions, named_values, too_long
from blueprint.document import Blueprint
from blueprint.faults import (
    ALIAS_ELSEWHERE,
    DUPLICATE,
    FOREIGN_MAILBOX,
    FOREIGN_ZONE,
    NAME_COLLISION,
    NAME_TOO_LONG,
    NO_MAIL_FOR_WEBMAIL,
    NO_POSTAL_ADDRESS,
    OUTSIDE_ZONE,
    PLAN_LIMIT,
    PLATFORM_DOMAIN,
    PUBLIC_SUFFIX,
    QUOTAS_TOO_LARGE,
    RESERVED_NAME,
    TOO_MANY_HOSTS,
    UNDECLARED_CATCH_ALL,
    UNKNOWN_REGION,
    UNKNOWN_TIMEZONE,
    Located,
    Path,
    dotted,
)
from blueprint.mail_address import domain_of
from blueprint.naming import (
    CUSTOMERS_LABEL,
    EGRESS_LABEL,
    RETURN_PATH_LABEL,
    SYSTEM_MAILBOX,
    UNSUBSCRIBE_LABEL,
)
from blueprint.platform import Platform
from blueprint.render import GB, render
from blueprint.tenant import Dns, MailboxServer, Tenant
from blueprint.zones import is_public_suffix, is_within, occupied, overlap
from kit.faults import Code

Rule = Callable[[Tenant, Platform], Iterator[Located]]

SPF_LOOKUPS = 10
"""RFC 7208 section 4.6.4; each host costs one."""
MAIL_PERCENT = 60
"""Of a host's disk, for mailboxes."""
RESERVED_LABELS = (EGRESS_LABEL, RETURN_PATH_LABEL, CUSTOMERS_LABEL, UNSUBSCRIBE_LABEL)
RESERVED_TENANTS = (CUSTOMERS_LABEL,)
"""Names directly below the platform's zone, where the names of tenants are too."""


def violations(tenant: Tenant, platform: Platform) -> list[Located]:
    """Return every broken rule with the path of the value to change."""
    rules: tuple[Rule, ...] = (_tenant, _region, _hosts, _domains, _mailboxes, _sending, _hours)
    located = [violation for rule in rules for violation in rule(tenant, platform)]
    if not located:  # What is derived is looked at only in a document that is valid otherwise.
        blueprint = render(tenant, platform=platform, keys=None, generation=1)
        named = named_values(blueprint, platform)
        located += [*_lengths(named), *_collisions(named)]
        located += [*_alias_hosts(tenant, blueprint), *_quotas(tenant, blueprint)]
    return located


def _located(code: Code, *path: str | int, **values: Any) -> Located:
    return path, code.violation(path=dotted(path), **values)


def beyond_plan(tenant: Tenant, current: Tenant | None) -> list[Located]:
    """Return where a document exceeds its plan.

    `current` is the tenant's stored document: under the same plan its domains may stay or be
    reduced, even if they exceed the plan's limit.
    """
    plan, allowed = tenant.spec.plan, PLANS[tenant.spec.plan].domains
    names = {domain.name for domain in tenant.spec.domains}
    if allowed == UNLIMITED or len(names) <= allowed:
        return []
    existing = current.spec.domains if current is not None and current.spec.plan is plan else ()
    if names <= {domain.name for domain in existing}:
        return []
    return [_located(PLAN_LIMIT, "spec", "domains", plan=plan, allowed=allowed, count=len(names))]


def _tenant(tenant: Tenant, platform: Platform) -> Iterator[Located]:
    name = tenant.metadata.name
    if name in RESERVED_TENANTS:
        yield _located(RESERVED_NAME, "metadata", "name", name=f"{name}.{platform.zone}")


def _lengths(named: Sequence[Named]) -> Iterator[Located]:
    for path, name in too_long(named):
        yield _located(NAME_TOO_LONG, *path, name=name, limit=NAME_LIMIT)


def _collisions(named: Sequence[Named]) -> Iterator[Located]:
    for path, name, owner in collisions(named):
        yield _located(NAME_COLLISION, *path, name=name, owner=dotted(owner))


def _region(tenant: Tenant, platform: Platform) -> Iterator[Located]:
    region = tenant.spec.region
    if region not in platform.locations:
        names = ", ".join(sorted(platform.locations))
        yield _located(UNKNOWN_REGION, "spec", "region", region=region, regions=names)


def _hosts(tenant: Tenant, platform: Platform) -> Iterator[Located]:  # noqa: ARG001 - one signature
    hosts = tenant.spec.hosts
    yield from _repeated((host.name for host in hosts), ("spec", "hosts"), "name", "host")
    if len(hosts) > SPF_LOOKUPS:
        yield _located(TOO_MANY_HOSTS, "spec", "hosts", limit=SPF_LOOKUPS)
    managed = {domain.name for domain in tenant.spec.domains if domain.dns is Dns.CLOUDFLARE}
    for index, host in enumerate(hosts):
        if host.name in RESERVED_LABELS:
            yield _located(RESERVED_NAME, "spec", "hosts", index, "name", name=host.name)
        if host.zone is not None and host.zone not in managed:
            yield _located(FOREIGN_ZONE, "spec", "hosts", index, "zone", zone=host.zone)
        if host.webmail and host.mail is MailboxServer.NONE:
            yield _located(NO_MAIL_FOR_WEBMAIL, "spec", "hosts", index, "webmail", host=host.name)


def _domains(tenant: Tenant, platform: Platform) -> Iterator[Located]:
    domains = tenant.spec.domains
    yield from _repeated((d.name for d in domains), ("spec", "domains"), "name", "domain")
    for index, domain in enumerate(domains):
        name, zone, path = domain.name, domain.zone, ("spec", "domains", index)
        if is_public_suffix(name):
            yield _located(PUBLIC_SUFFIX, *path, "name", domain=name)
        elif zone is not None and is_public_suffix(zone):
            yield _located(PUBLIC_SUFFIX, *path, "zone", domain=zone)
        elif zone is not None and not is_within(name, zone):
            yield _located(OUTSIDE_ZONE, *path, "zone", domain=name, zone=zone)
        elif any(overlap(occupied(domain), own) for own in (platform.zone, *platform.names)):
            yield _located(PLATFORM_DOMAIN, *path, "name", domain=name)


def _mailboxes(tenant: Tenant, platform: Platform) -> Iterator[Located]:  # noqa: ARG001 - one signature
    names = {domain.name for domain in tenant.spec.domains}
    listed = ", ".join(sorted(names))
    boxes = tenant.spec.mailboxes
    yield from _repeated((b.address for b in boxes), ("spec", "mailboxes"), "address", "mailbox")
    taken = Counter(box.address for box in boxes)
    for index, box in enumerate(boxes):
        path: Path = ("spec", "mailboxes", index)
        if domain_of(box.address) not in names:
            yield _located(FOREIGN_MAILBOX, *path, "address", address=box.address, domains=listed)
        elif _is_ours(box.address):
            yield _located(RESERVED_NAME, *path, "address", name=box.address)
        for number, alias in enumerate(box.aliases):
            if taken[alias]:
                place = (*path, "aliases", number)
                yield _located(DUPLICATE, *place, kind="address", name=alias)
            elif domain_of(alias) not in names:
                place = (*path, "aliases", number)
                yield _located(FOREIGN_MAILBOX, *place, address=alias, domains=listed)
            elif _is_ours(alias):
                yield _located(RESERVED_NAME, *path, "aliases", number, name=alias)
            taken[alias] += 1
    addresses = [box.address for box in boxes]
    for index, domain in enumerate(tenant.spec.domains):
        if domain.catch_all is not None and domain.catch_all not in addresses:
            path = ("spec", "domains", index, "catch_all")
            named = ", ".join(addresses) or "none yet"
            yield _located(UNDECLARED_CATCH_ALL, *path, address=domain.catch_all, mailboxes=named)


def _is_ours(address: str) -> bool:
    """Return whether mail to an address would be that of our mailbox, `+` and a detail or not."""
    return address.partition("@")[0].partition("+")[0] == SYSTEM_MAILBOX


def _alias_hosts(tenant: Tenant, blueprint: Blueprint) -> Iterator[Located]:
    """Yield the aliases whose mail would arrive on another host than their mailbox is on."""
    hosts = {domain.name: domain.mail_host for domain in blueprint.domains}
    for index, box in enumerate(tenant.spec.mailboxes):
        own = hosts[domain_of(box.address)]
        for number, alias in enumerate(box.aliases):
            host = hosts[domain_of(alias)]
            if host != own:
                path = ("spec", "mailboxes", index, "aliases", number)
                values = {"alias": alias, "address": box.address, "host": host, "own": own}
                yield _located(ALIAS_ELSEWHERE, *path, **values)


def _quotas(tenant: Tenant, blueprint: Blueprint) -> Iterator[Located]:
    """Yield the hosts whose mailboxes may hold more than their disk has room for.

    One that does not name its mail server may be one without quotas: that is judged where it is
    known what it has.
    """
    for index, (spec, host) in enumerate(zip(tenant.spec.hosts, blueprint.hosts, strict=True)):
        if spec.mail is None:
            continue
        domains = {domain.name for domain in blueprint.domains if domain.is_on(host)}
        total = sum(box.quota_bytes for box in blueprint.mailboxes if box.domain in domains)
        limit = host.disk_gb * GB * MAIL_PERCENT // 100
        if host.has_mailu and total > limit:
            values = {"sum": -(-total // GB), "disk": host.disk_gb, "limit": limit // GB}
            yield _located(QUOTAS_TOO_LARGE, "spec", "hosts", index, host=host.name, **values)


def _sending(tenant: Tenant, platform: Platform) -> Iterator[Located]:  # noqa: ARG001 - one signature
    sending = tenant.spec.sending
    if tenant.spec.mailboxes and sending.postal_address is None:
        yield _located(NO_POSTAL_ADDRESS, "spec", "sending")


def _hours(tenant: Tenant, platform: Platform) -> Iterator[Located]:  # noqa: ARG001 - one signature
    spec = tenant.spec
    for key, hours in (("sending", spec.sending), ("maintenance", spec.maintenance)):
        if hours.timezone not in _timezones():
            yield _located(UNKNOWN_TIMEZONE, "spec", key, "timezone", timezone=hours.timezone)


@cache
def _timezones() -> Set[str]:
    return available_timezones()


def _repeated(values: Iterable[str], path: Path, key: str, kind: str) -> Iterator[Located]:
    seen: Counter[str] = Counter()
    for index, value in enumerate(values):
        seen[value] += 1
        if seen[value] > 1:
            yield _located(DUPLICATE, *path, index, key, kind=kind, name=value)
