"""What has to change on a host, from what is declared and what it has. Pure: it calls nothing.

Only objects with the mark of a tenant of the host, in a domain with the same mark, are ours. All
others are reported and left as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from blueprint.mail_address import domain_of
from blueprint.naming import SYSTEM_MAILBOX
from controlplane.mailu.declared import Declared, Finding
from controlplane.mailu.dkim import shows_key
from controlplane.mailu.faults import (
    CONFLICT,
    FOREIGN,
    HOLDS_MAIL,
    KEY_DIFFERS,
    KEY_MISSING,
    KEY_UNREADABLE,
    NOT_EMPTY,
    NOT_PURGED,
    TAKEN,
)
from controlplane.mailu.objects import ALIAS, DOMAIN, RELAY, USER, Domain, Item, Shown, User
from controlplane.mailu.observed import Observed, of_others
from controlplane.mailu.wanted import AnyWanted, WantedAlias, WantedDomain, is_of
from kit.faults import Fault

MEGABYTE = 10**6


@dataclass(frozen=True)
class Manager:
    """A user who may manage a domain of ours: there should be none."""

    domain: str
    address: str


@dataclass(frozen=True)
class Retired:
    """An alias or relay of ours that is no longer declared."""

    kind: str
    key: str
    tenant: str


@dataclass(frozen=True)
class Removal:
    """A mailbox or domain of ours that is no longer declared. Its files have to be purged."""

    kind: str
    key: str
    tenant: str
    users: tuple[str, ...]
    """Addresses of the mailboxes that go with it."""
    people: tuple[str, ...]
    """Those of them that are people's: their mail is destroyed only if a person says so."""
    used_bytes: int

    @property
    def destroys_mail(self) -> bool:
        """Whether a person has to confirm it."""
        return bool(self.people)


@dataclass(frozen=True)
class Held:
    """The mail of one mailbox."""

    size: int
    """In bytes."""
    is_ours: bool
    """Whether it has the mark of a tenant of the host: a foreign one goes with its host only."""


@dataclass(frozen=True)
class Plan:
    """What has to change, in the order in which it is done."""

    retired_relays: tuple[Retired, ...] = ()
    writes: tuple[AnyWanted, ...] = ()
    """What is missing or differs, each after what it needs."""
    managers: tuple[Manager, ...] = ()
    retired_aliases: tuple[Retired, ...] = ()
    removals: tuple[Removal, ...] = ()
    """Mailboxes before domains."""
    findings: tuple[Finding, ...] = ()
    mail: Mapping[str, Held] = field(default_factory=dict)
    """What each mailbox of people holds that is there, also a foreign one."""
    present: frozenset[str] = frozenset()
    """The names of all mailboxes and domains that are there."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing has to be done, apart from removals that a person has to confirm."""
        automatic = [each for each in self.removals if not each.destroys_mail]
        changes = (self.retired_relays, self.writes, self.managers, self.retired_aliases, automatic)
        return not any(changes)


def compare(declared: Declared, observed: Observed, unpurged: Collection[str] = ()) -> Plan:
    """Return the way from what a host has to what is declared.

    `unpurged` are addresses and domains that were removed and whose files are still there.
    """
    return _Comparison(declared, observed, unpurged).plan()


class _Comparison:
    def __init__(self, declared: Declared, observed: Observed, unpurged: Collection[str]) -> None:
        self._declared = declared
        self._observed = observed
        self._unpurged = unpurged
        self._wanted = {(each.kind.name, each.key): each for each in declared.objects}
        self._blocked: set[str] = set()
        """Domains and users that are not ours, or cannot be made now."""
        self._findings = list(declared.findings)
        self._retired_relays = tuple(self._relays())

    def plan(self) -> Plan:
        writes = tuple(each for each in self._declared.objects if self._is_due(each))
        managers = tuple(self._managers())
        aliases = tuple(self._aliases())
        removals = (*self._users(), *self._domains())
        for removal in removals:
            if removal.destroys_mail:
                self._report(removal.tenant, removal.key, _holds_mail(removal))
        self._foreign_alternatives()
        users = self._observed.users
        return Plan(
            self._retired_relays,
            writes,
            managers,
            aliases,
            removals,
            tuple(self._findings),
            mail={user.key: self._held(user) for user in users.values() if _is_people(user)},
            present=frozenset((*users, *self._observed.domains)),
        )

    def _held(self, user: User) -> Held:
        return Held(user.quota_bytes_used, self._owner(user) is not None)

    def _is_due(self, wanted: AnyWanted) -> bool:
        """Whether an object has to be written; what keeps it from that is reported."""
        if {domain_of(wanted.key), _target(wanted)} & self._blocked:
            return False  # what it needs has been reported
        seen = self._observed.of(wanted)
        if seen is None:
            return self._can_be_made(wanted)
        if not is_of(seen.comment, wanted.tenant):
            self._block(wanted, TAKEN(kind=wanted.kind, name=wanted.key, mark=wanted.mark))
            return False
        if isinstance(wanted, WantedDomain):
            self._look_at_key(wanted, seen)
        return bool(wanted.changes(seen))

    def _can_be_made(self, wanted: AnyWanted) -> bool:
        if wanted.key in self._unpurged or domain_of(wanted.key) in self._unpurged:
            self._block(wanted, NOT_PURGED(name=wanted.key))
        elif "@" not in wanted.key and self._is_in_use(wanted.key):
            self._block(wanted, CONFLICT(kind=wanted.kind, name=wanted.key))
        else:
            return True
        return False

    def _is_in_use(self, name: str) -> bool:
        """Whether a domain, alternative or relay that stays has a name."""
        leaving = {relay.key for relay in self._retired_relays}
        relays = self._observed.relays.keys() - leaving
        return any(
            name in names for names in (self._observed.domains, self._observed.alternatives, relays)
        )

    def _look_at_key(self, wanted: WantedDomain, seen: Domain) -> None:
        if wanted.key in self._observed.unreadable:
            self._report(wanted.tenant, wanted.key, KEY_UNREADABLE(name=wanted.key))
        elif seen.dns_dkim is None:
            self._report(wanted.tenant, wanted.key, KEY_MISSING(name=wanted.key))
        elif not shows_key(
            seen.dns_dkim,
            domain=wanted.key,
            selector=wanted.selector,
            public_key=wanted.public_key,
        ):
            self._report(wanted.tenant, wanted.key, KEY_DIFFERS(name=wanted.key))

    def _managers(self) -> Iterator[Manager]:
        for wanted in self._declared.objects:
            seen = self._observed.of(wanted)
            if isinstance(seen, Domain) and self._owner(seen) == wanted.tenant:
                yield from (Manager(seen.key, address) for address in seen.managers)

    def _relays(self) -> Iterator[Retired]:
        for relay in self._undeclared(RELAY.name, self._observed.relays.values()):
            if (tenant := self._owner(relay)) is not None:
                yield Retired(RELAY.name, relay.key, tenant)
            else:
                self._foreign(RELAY.name, relay)

    def _aliases(self) -> Iterator[Retired]:
        for alias in self._undeclared(ALIAS.name, self._observed.aliases.values()):
            if self._is_of_a_domain_that_stays(alias):
                if (tenant := self._owner(alias)) is not None:
                    yield Retired(ALIAS.name, alias.key, tenant)
                else:
                    self._foreign(ALIAS.name, alias)

    def _users(self) -> Iterator[Removal]:
        for user in self._undeclared(USER.name, self._observed.users.values()):
            if self._is_of_a_domain_that_stays(user):
                if (tenant := self._owner(user)) is not None:
                    yield _removal(USER.name, user.key, tenant, [user])
                else:
                    self._foreign(USER.name, user)

    def _domains(self) -> Iterator[Removal]:
        for domain in self._undeclared(DOMAIN.name, self._observed.domains.values()):
            tenant = self._owner(domain)
            if tenant is None:
                self._foreign(DOMAIN.name, domain)
            elif others := self._of_others(domain.key, tenant):
                fault = NOT_EMPTY(name=domain.key, objects=", ".join(others))
                self._report(tenant, domain.key, fault)
            else:
                users = list(self._observed.users_in(domain.key))
                yield _removal(DOMAIN.name, domain.key, tenant, users)

    def _of_others(self, domain: str, tenant: str) -> list[str]:
        seen = self._observed
        items = (seen.users.values(), seen.aliases.values(), seen.alternatives.values())
        return of_others(domain, tenant, *items)

    def _foreign_alternatives(self) -> None:
        for each in self._observed.alternatives.values():
            domain = self._observed.domains.get(each.domain)
            owner = None if domain is None else self._owner(domain)
            if owner is not None and (DOMAIN.name, each.domain) in self._wanted:
                fault = FOREIGN(kind="alternative", name=each.key)
                self._report(owner, each.domain, fault)

    def _undeclared(self, kind: str, items: Collection[Item]) -> Iterator[Item]:
        """Yield what its owner does not declare; of disputed domains nothing."""
        for item in items:
            if {item.key, domain_of(item.key)} & self._declared.held:
                continue
            wanted = self._wanted.get((kind, item.key))
            if wanted is None or wanted.tenant != self._owner(item):
                yield item

    def _is_of_a_domain_that_stays(self, item: Shown) -> bool:
        """Whether the domain of an object is ours and declared: else it is judged as a whole."""
        wanted = self._wanted.get((DOMAIN.name, domain_of(item.key)))
        domain = self._observed.domains.get(domain_of(item.key))
        return wanted is not None and domain is not None and self._owner(domain) == wanted.tenant

    def _owner(self, item: Shown) -> str | None:
        """Return the tenant whose mark an object has, and its domain as well; None without."""
        tenants = self._declared.tenants
        tenant = next((name for name in tenants if is_of(item.comment, name)), None)
        if tenant is not None and "@" in item.key:
            domain = self._observed.domains.get(domain_of(item.key))
            if domain is None or not is_of(domain.comment, tenant):
                return None
        return tenant

    def _foreign(self, kind: str, item: Shown) -> None:
        """Report an object that is not ours, unless it was reported as one in the way."""
        if (kind, item.key) not in self._wanted:
            domain = self._observed.domains.get(domain_of(item.key))
            owner = None if domain is None else self._owner(domain)
            self._report(owner, item.key, FOREIGN(kind=kind, name=item.key))

    def _block(self, wanted: AnyWanted, fault: Fault) -> None:
        self._blocked.add(wanted.key)
        self._report(wanted.tenant, wanted.key, fault)

    def _report(self, tenant: str | None, subject: str, fault: Fault) -> None:
        self._findings.append(Finding(tenant, subject, fault))


def _target(wanted: AnyWanted) -> str | None:
    return wanted.destination if isinstance(wanted, WantedAlias) else None


def _removal(kind: str, key: str, tenant: str, users: list[User]) -> Removal:
    people = [user for user in users if _is_people(user)]
    used = sum(user.quota_bytes_used for user in people)
    addresses = tuple(user.key for user in users)
    return Removal(kind, key, tenant, addresses, tuple(user.key for user in people), used)


def _is_people(user: User) -> bool:
    return not user.key.startswith(f"{SYSTEM_MAILBOX}@")


def megabytes_of(size: int) -> int:
    """Return a number of bytes in MB, rounded up: what holds mail never shows 0 MB."""
    return -(-size // MEGABYTE)


def _holds_mail(removal: Removal) -> Fault:
    megabytes = megabytes_of(removal.used_bytes)
    return HOLDS_MAIL(
        kind=removal.kind, name=removal.key, mailboxes=len(removal.people), megabytes=megabytes
    )
