"""Domain names as a tree: zones that a name can be in, and what a tenant's domain occupies."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from publicsuffixlist import PublicSuffixList

from blueprint.tenant import Dns, DomainName, DomainSpec

DMARC_LABEL = "_dmarc."


@cache
def _public_suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def is_public_suffix(name: DomainName) -> bool:
    """Return whether people register names directly below a name, as below `co.uk`."""
    return bool(_public_suffixes().is_public(name))


def registrable(name: DomainName) -> DomainName:
    """Return the part of a name that its owner registered: `acme.co.uk` of `go.acme.co.uk`.

    No zone that the name is in can be larger. A public suffix is returned as it is.
    """
    return str(_public_suffixes().privatesuffix(name) or name)


def inherited_policy(name: str) -> str:
    """Return the name of the DMARC record that counts where `_dmarc.…` has none.

    It is at the registered domain. Receivers by RFC 9989 (4.10) also ask at the names between,
    those by RFC 7489 (6.6.3) do not.
    """
    return f"{DMARC_LABEL}{registrable(name.removeprefix(DMARC_LABEL))}"


def possible_zones(name: DomainName) -> Iterator[DomainName]:
    """Yield the zones that a name can be in, the longest first, down to the registered one."""
    last, zone = registrable(name), name
    while zone != last:
        yield zone
        zone = zone.partition(".")[2]
    yield last


def is_within(name: DomainName, zone: DomainName) -> bool:
    """Return whether a name is a zone's own or below it."""
    return name == zone or name.endswith(f".{zone}")


def overlap(one: DomainName, other: DomainName) -> bool:
    """Return whether one of two names is the other or below it."""
    return is_within(one, other) or is_within(other, one)


def occupied(domain: DomainSpec) -> DomainName:
    """Return the name below which nothing of a domain's zone can belong to another owner.

    It is the zone of the document. Else records that we write may be in any zone of the account
    that the domain is in, so it is the registered domain; in a zone that others write, only the
    domain itself.
    """
    if domain.zone is not None:
        return domain.zone
    return domain.name if domain.dns is Dns.MANUAL else registrable(domain.name)
