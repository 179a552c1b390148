"""Names of hosts and addresses. Each depends on nothing but its own place in the document."""

from __future__ import annotations

import hashlib

from blueprint.document import Address, Role
from blueprint.platform import Platform
from blueprint.tenant import DomainName, HostSpec

RETURN_PATH_LABEL = "b"
EGRESS_LABEL = "out"
CUSTOMERS_LABEL = "customers"
MANUAL_SELECTORS = ("pm1", "pm2")
"""A manual zone points both at us once; rotation goes from one to the other."""


def server_name(tenant: str, host: str, incarnation: int) -> str:
    """Return the provider's label of a host: `acme-mx1-3f9a2c`, later `acme-mx1-3f9a2c-2`."""
    mark = hashlib.sha256(f"{tenant}/{host}".encode()).hexdigest()[:6]
    suffix = f"-{incarnation}" if incarnation > 1 else ""
    return f"{tenant}-{host}-{mark}{suffix}"


def is_server_of(name: str, tenant: str) -> bool:
    """Tell whether a label is one that `server_name` gives to a host of this tenant."""
    host, _, last = name.removeprefix(f"{tenant}-").rpartition("-")
    if name == server_name(tenant, host, 1):
        return True
    older = host.rpartition("-")[0]
    return last.isdecimal() and name == server_name(tenant, older, int(last))


def base_name(tenant: str, host: HostSpec, platform: Platform) -> DomainName:
    """Return the host's own name: in its zone, else below its tenant in the platform's zone."""
    if host.zone is not None:
        return f"{host.name}.{host.zone}"
    return f"{host.name}.{tenant}.{platform.zone}"


def zone_of(host: HostSpec, platform: Platform) -> DomainName:
    """Return the zone that the host's records stand in."""
    return host.zone or platform.zone


def address_name(host: str, index: int) -> str:
    """Return the name of a host's address, counted from 1: `mx1-2`."""
    return f"{host}-{index}"


def addresses_of(tenant: str, host: HostSpec, platform: Platform) -> tuple[Address, ...]:
    """Return the host's addresses: the primary one, then those for bulk mail."""
    label, _, parent = base_name(tenant, host, platform).partition(".")
    alone = host.addresses == 1
    return tuple(
        Address(
            name=address_name(host.name, index),
            index=index,
            role=Role.PRIMARY if index == 1 else Role.EGRESS,
            helo=f"{label}.{parent}" if index == 1 else f"{label}-{index}.{parent}",
            sends_bulk=alone or index > 1,
        )
        for index in range(1, host.addresses + 1)
    )


def egress_name(base: DomainName) -> DomainName:
    """Return the name with one A record per address of a host; SPF points here."""
    return f"{EGRESS_LABEL}.{base}"


def return_path(domain: DomainName) -> DomainName:
    """Return the domain of return paths, below the From domain so that SPF aligns (RFC 7489)."""
    return f"{RETURN_PATH_LABEL}.{domain}"


def behind_manual(name: str, platform: Platform) -> DomainName:
    """Return the platform's name that a CNAME of a manual zone points at."""
    return f"{name}.{CUSTOMERS_LABEL}.{platform.zone}"
