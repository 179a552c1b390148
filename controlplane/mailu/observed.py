"""What a host has: lists with few fields, and one read for each domain that is declared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from blueprint.mail_address import domain_of
from controlplane.mailu.api import Api
from controlplane.mailu.declared import Declared
from controlplane.mailu.faults import FAILED
from controlplane.mailu.objects import (
    ALIAS,
    ALTERNATIVE,
    DOMAIN,
    RELAY,
    USER,
    Alias,
    Alternative,
    Domain,
    Item,
    Kind,
    Relay,
    Shown,
    User,
)
from controlplane.mailu.wanted import AnyWanted, is_of
from kit.faults import Fault


@dataclass(frozen=True)
class Observed:
    """The objects of a host, by name or address."""

    domains: Mapping[str, Domain] = field(default_factory=dict)
    alternatives: Mapping[str, Alternative] = field(default_factory=dict)
    users: Mapping[str, User] = field(default_factory=dict)
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    relays: Mapping[str, Relay] = field(default_factory=dict)
    unreadable: frozenset[str] = frozenset()
    """Domains whose key Mailu cannot read; of these, only what the list shows is known."""

    def of(self, wanted: AnyWanted) -> Any:
        """Return the object that has the name and the kind of a wanted one, None without one."""
        tables: dict[Kind[Any], Mapping[str, Shown]] = {
            DOMAIN: self.domains,
            USER: self.users,
            ALIAS: self.aliases,
            RELAY: self.relays,
        }
        return tables[wanted.kind].get(wanted.key)

    def users_in(self, domain: str) -> Iterator[User]:
        """Yield the users of a domain."""
        return (user for user in self.users.values() if domain_of(user.key) == domain)


def of_others(
    domain: str,
    tenant: str,
    users: Iterable[User],
    aliases: Iterable[Alias],
    alternatives: Iterable[Alternative],
) -> list[str]:
    """Return what is in a domain of a tenant without its mark, and would go with the domain.

    An alternative can have no mark.
    """
    marked = (("user", users), ("alias", aliases))
    return [
        f"{kind} {each.key}"
        for kind, items in marked
        for each in items
        if domain_of(each.key) == domain and not is_of(each.comment, tenant)
    ] + [f"alternative {each.key}" for each in alternatives if each.domain == domain]


def observe(api: Api, declared: Declared) -> Observed:
    """Read a host."""
    domains = {domain.key: domain for domain in api.all(DOMAIN)}
    unreadable = set()
    for wanted in declared.objects:
        listed = domains.get(wanted.key) if wanted.kind is DOMAIN else None
        if listed is None or not is_of(listed.comment, wanted.tenant):
            continue
        seen, is_readable = look(api, DOMAIN, wanted.key)
        domains[wanted.key] = seen or listed
        if not is_readable:
            unreadable.add(wanted.key)
    return Observed(
        domains,
        {each.key: each for each in api.all(ALTERNATIVE)},
        {each.key: each for each in api.all(USER)},
        {each.key: each for each in api.all(ALIAS)},
        {each.key: each for each in api.all(RELAY)},
        frozenset(unreadable),
    )


def look(api: Api, kind: Kind[Item], key: str) -> tuple[Item | None, bool]:
    """Return an object, and whether all of it can be read.

    A domain with a broken key cannot be read, and is in the list all the same.
    """
    try:
        return api.find(kind, key), True
    except Fault as fault:
        if fault.code is not FAILED or kind is not DOMAIN:
            raise
    listed = next((each for each in api.all(kind) if each.key == key), None)
    return listed, listed is None
