"""Names of hosts and addresses. Each depends only on its own position in the document."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable

from blueprint.document import Address, Role
from blueprint.platform import Platform
from blueprint.tenant import DomainName, DomainSpec, HostSpec

RETURN_PATH_LABEL = "b"
EGRESS_LABEL = "out"
CUSTOMERS_LABEL = "customers"
LABEL_LIMIT = 59
"""Of a server's label without its incarnation; 63 in all."""
SERVER_NAME = re.compile(r"((.+)-([0-9a-f]{10}))(?:-[0-9]{1,3})?")
UNSUBSCRIBE_LABEL = "u"
EXCHANGE_LABEL = "mx"
MANUAL_SELECTORS = ("pm1", "pm2")
"""A manual zone has a CNAME to us for both; rotation alternates between them."""
RESERVED_SELECTORS = ("mu1", "mu2")
"""The same for the signatures of people's mail, once hosts make them."""
SYSTEM_MAILBOX = "penguinmails"
"""Local part of our mailbox in each domain of people's mail: mail is tried through it, and it has
the mail of the addresses that every domain must have."""


def system_mailbox(domain: str) -> str:
    """Return the address of our mailbox in a domain."""
    return f"{SYSTEM_MAILBOX}@{domain}"


def server_name(installation: str, tenant: str, host: str, incarnation: int) -> str:
    """Return the provider's label of a host: `k3f9a-acme-mx1-3f9a2c71be`, later with `-2`.

    It begins with the installation and the tenant, and ends in hashes of the tenant and of the
    host; a long host name is truncated to keep the label within the provider's limit.
    """
    suffix = f"-{_short_hash(installation, tenant)}{_short_hash(installation, tenant, host)[:4]}"
    start = f"{installation}-{tenant}-{host}"[: LABEL_LIMIT - len(suffix)]
    return f"{start}{suffix}" + (f"-{incarnation}" if incarnation > 1 else "")


def is_server_of(name: str, installation: str, tenant: str) -> bool:
    """Return whether a label is one that `server_name` gives to a host of this tenant."""
    parts = SERVER_NAME.fullmatch(name)
    if parts is None or not name.startswith(f"{installation}-{tenant}-"):
        return False
    label, start, hashes = parts.groups()
    host = start.removeprefix(f"{installation}-{tenant}-")
    if len(label) == LABEL_LIMIT:  # the host's name may be truncated
        return hashes.startswith(_short_hash(installation, tenant))
    return label == server_name(installation, tenant, host, 1)


def tenant_of(name: str, installation: str) -> str | None:
    """Return the tenant whose host has a label, None for the label of another server."""
    parts = name.removeprefix(f"{installation}-").split("-")
    prefixes = ("-".join(parts[:length]) for length in range(1, len(parts)))
    return next((part for part in prefixes if is_server_of(name, installation, part)), None)


def _short_hash(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:6]


def purchase_name(server: str, address: str) -> str:
    """Return the name under which a further address of a server is bought: `<server>/mx1-2`."""
    return f"{server}/{address}"


def fence_name(installation: str, tenant: str) -> str:
    """Return the name of a tenant's fence in the purchase journal."""
    return f"{installation}/{tenant}"


def base_name(tenant: str, host: HostSpec, platform: Platform) -> DomainName:
    """Return the host's own name: in its zone, else below its tenant in the platform's zone."""
    if host.zone is not None:
        return f"{host.name}.{host.zone}"
    return f"{host.name}.{tenant}.{platform.zone}"


def zone_of(host: HostSpec, domains: Iterable[DomainSpec], platform: Platform) -> DomainName:
    """Return the zone of the host's records, by which it is looked up: its domain's, if any."""
    if host.zone is None:
        return platform.zone
    named = (domain.zone for domain in domains if domain.name == host.zone)
    return next(named, None) or host.zone


def address_name(host: str, index: int) -> str:
    """Return the name of a host's address, counted from 1: `mx1-2`."""
    return f"{host}-{index}"


def host_of(address: str) -> str:
    """Return the host in the name of an address."""
    return address.rpartition("-")[0]


def index_of(address: str) -> int:
    """Return the number in the name of an address."""
    return int(address.rpartition("-")[2])


def bulk_addresses(host: HostSpec) -> list[str]:
    """Return the names of the host's addresses for bulk mail: all further ones, or its only one."""
    first = 1 if host.addresses == 1 else 2
    return [address_name(host.name, index) for index in range(first, host.addresses + 1)]


def addresses_of(
    tenant: str,
    host: HostSpec,
    platform: Platform,
    *,
    draining: Collection[str] = (),
    is_retired: bool = False,
) -> tuple[Address, ...]:
    """Return the host's addresses: the primary one, then those for bulk mail.

    Those that drain are among them. Of a host that is retired, there is only the primary beside.
    """
    label, _, parent = base_name(tenant, host, platform).partition(".")
    bulk = {*draining, *(() if is_retired else bulk_addresses(host))}
    wanted = range(1, 1 + (1 if is_retired else host.addresses))
    return tuple(
        Address(
            name=address_name(host.name, index),
            index=index,
            role=Role.PRIMARY if index == 1 else Role.EGRESS,
            helo=f"{label}.{parent}" if index == 1 else f"{label}-{index}.{parent}",
            sends_bulk=address_name(host.name, index) in bulk,
            draining=address_name(host.name, index) in draining,
        )
        for index in sorted({*wanted, *map(index_of, draining)})
    )


def egress_name(base: DomainName) -> DomainName:
    """Return the name with one A record per address of a host; SPF points here."""
    return f"{EGRESS_LABEL}.{base}"


def return_path(domain: DomainName) -> DomainName:
    """Return the domain of return paths, below the From domain so that SPF aligns (RFC 7489)."""
    return f"{RETURN_PATH_LABEL}.{domain}"


def unsubscribe_host(domain: DomainName) -> DomainName:
    """Return the name of the public endpoints in links of a From domain's mail."""
    return f"{UNSUBSCRIBE_LABEL}.{domain}"


def shared_egress_name(tenant: str, platform: Platform) -> DomainName:
    """Return the name with one A record per address of a tenant, for SPF that owners write."""
    return f"{EGRESS_LABEL}.{tenant}.{platform.zone}"


def manual_exchange(domain: DomainName, platform: Platform) -> DomainName:
    """Return the name of a manual zone's MX record, whichever host takes its mail."""
    return manual_target(f"{EXCHANGE_LABEL}.{domain}", platform)


def manual_target(name: str, platform: Platform) -> DomainName:
    """Return the name in the platform's zone that a CNAME of a manual zone points to."""
    return f"{name}.{CUSTOMERS_LABEL}.{platform.zone}"
