"""From what tenants declare to the objects of one host; no tenant gets into the domains of another.

The lists of all tenants of the host are looked at together. What a tenant may not have is left
out and reported; what two tenants want is left as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from blueprint.mail_address import domain_of
from blueprint.naming import SYSTEM_MAILBOX, system_mailbox
from controlplane.mailu.faults import CONTESTED, NAME, OUTSIDE
from controlplane.mailu.names import catch_all, require_address, require_domain
from controlplane.mailu.wanted import (
    AnyWanted,
    WantedAlias,
    WantedDomain,
    WantedRelay,
    WantedUser,
)
from kit.faults import Fault

SYSTEM_QUOTA = 100_000_000
REQUIRED = ("abuse", "postmaster")
"""Local parts that every domain must have (RFC 2142, RFC 5321 section 4.5.1)."""


@dataclass(frozen=True)
class DeclaredDomain:
    """A domain whose mailboxes are on the host."""

    name: str
    public_key: str
    """Of the DKIM key of people's mail: Base64 of the DER SubjectPublicKeyInfo."""
    selector: str = "mu1"
    catch_all: str | None = None


@dataclass(frozen=True)
class DeclaredMailbox:
    """A mailbox with its other addresses and forwards."""

    address: str
    quota_bytes: int
    aliases: tuple[str, ...] = ()
    forward: tuple[str, ...] = ()
    keep: bool = True


@dataclass(frozen=True)
class TenantMail:
    """What one tenant declares for a host. One that has nothing there any more has empty lists.

    `return_paths` has the other names, too, whose mail the host's inbound instance takes.
    """

    tenant: str
    domains: tuple[DeclaredDomain, ...] = ()
    mailboxes: tuple[DeclaredMailbox, ...] = ()
    return_paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """Something that a person has to know; `tenant` is None where it is of no tenant."""

    tenant: str | None
    subject: str
    """The domain or address that it is about."""
    fault: Fault


@dataclass(frozen=True)
class Declared:
    """The objects that the tenants of a host declare."""

    tenants: frozenset[str]
    objects: tuple[AnyWanted, ...]
    """Each after those that it needs: domains, mailboxes, aliases, relays."""
    findings: tuple[Finding, ...] = ()
    held: frozenset[str] = frozenset()
    """Domains, and names of relays, about which tenants disagree: nothing of them is changed."""


def declared(tenants: Sequence[TenantMail]) -> Declared:
    """Return the objects of a host from the lists of its tenants."""
    disputes = list(_disputes(tenants))
    held = frozenset(finding.subject for finding in disputes)
    findings = disputes
    objects: list[AnyWanted] = []
    for tenant in tenants:
        own = _Own(tenant, tenants, held)
        objects += own.objects()
        findings += own.findings
    rank = {WantedDomain: 0, WantedUser: 1, WantedAlias: 2, WantedRelay: 3}
    objects.sort(key=lambda each: (rank[type(each)], each.key))
    names = frozenset(tenant.tenant for tenant in tenants)
    return Declared(names, tuple(objects), tuple(findings), held)


def _disputes(tenants: Sequence[TenantMail]) -> Iterator[Finding]:
    """Yield what is wanted by two tenants: a domain that another has, or that is below one.

    Return paths yield to domains, and are disputed among themselves only.
    """
    domains = _owners((mail.tenant, each.name) for mail in tenants for each in mail.domains)
    relays = _owners((mail.tenant, name) for mail in tenants for name in mail.return_paths)
    for name, owners in domains.items():
        above = [domains.get(parent, set()) for parent in _parents(name)]
        claiming = owners.union(*above)
        if len(claiming) > 1:
            yield from _dispute(name, owners, claiming)
    for name, owners in relays.items():
        if len(owners) > 1:
            yield from _dispute(name, owners, owners)


def _owners(claims: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for tenant, name in sorted(claims):
        owners[name].add(tenant)
    return dict(owners)


def _dispute(name: str, owners: set[str], claiming: set[str]) -> Iterator[Finding]:
    fault = CONTESTED(name=name, tenants=", ".join(sorted(claiming)))
    return (Finding(tenant, name, fault) for tenant in sorted(owners))


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.partition(".")[2]
        yield name


class _Own:
    """The objects of one tenant, among those of the others."""

    def __init__(
        self, mail: TenantMail, tenants: Sequence[TenantMail], held: frozenset[str]
    ) -> None:
        self.findings: list[Finding] = []
        self._tenant = mail.tenant
        self._held = held
        others = [other for other in tenants if other.tenant != mail.tenant]
        self._others = {domain.name for other in others for domain in other.domains} - held
        claimed = [domain for domain in mail.domains if domain.name not in held]
        self._names = {domain.name for domain in claimed}
        self._domains = [domain for domain in claimed if self._is_possible(domain.name)]
        self._boxes = [box for box in mail.mailboxes if self._may_have(box.address)]
        self._return_paths = [name for name in mail.return_paths if self._may_relay(name)]

    def objects(self) -> Iterator[AnyWanted]:
        """Yield what the tenant may have; what it may not have is in the findings."""
        tenant = self._tenant
        for domain in self._domains:
            yield WantedDomain(tenant, domain.name, domain.public_key, domain.selector)
            yield WantedUser(tenant, system_mailbox(domain.name), SYSTEM_QUOTA)
        for box in self._boxes:
            yield WantedUser(tenant, box.address, box.quota_bytes, box.forward, box.keep)
        yield from self._aliases()
        for name in self._return_paths:
            yield WantedRelay(tenant, name)

    def _aliases(self) -> Iterator[AnyWanted]:
        """Yield the declared aliases, the catch-alls, and what is left of the required ones."""
        alias = partial(WantedAlias, self._tenant)
        used = {box.address for box in self._boxes}
        targets = frozenset(used)
        for box in self._boxes:
            for address in box.aliases:
                if address not in used and self._may_have(address):
                    used.add(address)
                    yield alias(address, box.address)
        for domain in self._domains:
            if domain.catch_all in targets:
                yield alias(catch_all(domain.name), str(domain.catch_all), wildcard=True)
            required = {f"{local}@{domain.name}" for local in REQUIRED}
            for address in sorted(required - used):
                yield alias(address, system_mailbox(domain.name))

    def _may_have(self, address: str) -> bool:
        """Whether an address is in an own domain, and one that Mailu can have."""
        domain = domain_of(address)
        if domain in self._held:
            return False
        if domain not in self._names:
            self._report(address, OUTSIDE(name=address, tenant=self._tenant))
            return False
        return self._is_possible(address)

    def _may_relay(self, name: str) -> bool:
        """Whether return paths may have a name: none in a domain of another tenant."""
        if name in self._held:
            return False
        if self._others.intersection((name, *_parents(name))):
            self._report(name, OUTSIDE(name=name, tenant=self._tenant))
            return False
        return self._is_possible(name)

    def _is_possible(self, name: str) -> bool:
        try:
            _require(name)
        except Fault as fault:
            self._report(name, fault)
            return False
        return True

    def _report(self, subject: str, fault: Fault) -> None:
        self.findings.append(Finding(self._tenant, subject, fault))


def _require(name: str) -> None:
    """Refuse a name of a domain, or an address, that no object of a tenant can have."""
    if "@" not in name:
        require_domain(name)
    elif name.startswith(f"{SYSTEM_MAILBOX}@"):
        raise NAME(name=name, reason="it is the control plane's own mailbox")
    else:
        require_address(name)
