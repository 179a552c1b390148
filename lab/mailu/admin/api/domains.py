"""Domains, with their alternatives, keys and users."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from lab.mailu.admin.api import records
from lab.mailu.admin.api.finding import in_use, named, of_domain, require_domain
from lab.mailu.admin.api.marshal import View, listed, one
from lab.mailu.admin.api.users import VIEW as USER_VIEW
from lab.mailu.admin.api.users import remove_user
from lab.mailu.admin.application import Application, Call
from lab.mailu.admin.bodies import BOOLEAN, INTEGER, STRINGS, Field, Fields, strings
from lab.mailu.admin.messages import Answer, Refused, done, shown
from lab.mailu.admin.names import is_domain, kept, shown_address
from lab.mailu.admin.names import shown as shown_name
from lab.mailu.admin.routing import api
from lab.mailu.admin.store import Document, Kind, Store, kept_integer

NUMBERS = {"max_users": -1, "max_aliases": -1, "max_quota_bytes": 0}
"""Limits, and their defaults, which are their minimums too."""
CHANGED: Fields = {
    **strings("comment"),
    **{name: Field(INTEGER, minimum=least) for name, least in NUMBERS.items()},
    "signup_enabled": Field(BOOLEAN),
    "alternatives": Field(STRINGS),
}
CREATED: Fields = {**strings("name", required=True), **CHANGED}


@dataclass(frozen=True)
class Shown:
    """A domain with what is shown of it; the key is read when a field needs it."""

    app: Application
    document: Document
    alternatives: list[str]

    @property
    def key(self) -> str:
        """The name in ASCII, as records have it."""
        return str(self.document["name"])

    @property
    def name(self) -> str:
        """The name in Unicode, as answers and files have it."""
        return shown_name(self.key)

    @property
    def has_key(self) -> bool:
        """Whether there is a key's file."""
        return self.app.keys.private(self.name) is not None


VIEW: View[Shown] = {
    "name": lambda s: s.name,
    "comment": lambda s: s.document["comment"],
    "managers": lambda s: [shown_address(key) for key in s.document["managers"]],
    "max_users": lambda s: s.document["max_users"],
    "max_aliases": lambda s: s.document["max_aliases"],
    "max_quota_bytes": lambda s: s.document["max_quota_bytes"],
    "signup_enabled": lambda s: s.document["signup_enabled"],
    "alternatives": lambda s: s.alternatives,
    "dns_autoconfig": lambda s: list(records.autoconfig(s.app.settings, s.key)),
    "dns_mx": lambda s: records.mx(s.app.settings, s.key),
    "dns_spf": lambda s: records.spf(s.app.settings, s.key),
    "dns_dkim": lambda s: records.dkim(s.app.settings, s.key, s.app.keys.public(s.name)),
    "dns_dmarc": lambda s: records.dmarc(s.app.settings, s.key) if s.has_key else None,
    "dns_dmarc_report": lambda s: (
        records.dmarc_report(s.app.settings, s.key) if s.has_key else None
    ),
    "dns_tlsa": lambda _: [],
}


def shown_domains(app: Application, store: Store, documents: list[Document]) -> list[Shown]:
    """Return domains with their alternatives."""
    names = defaultdict(list)
    for alternative in store.all(Kind.ALTERNATIVE):
        names[alternative["domain"]].append(shown_name(alternative["name"]))
    return [Shown(app, document, names[document["name"]]) for document in documents]


def list_domains(call: Call) -> Answer:
    """List all domains: each key is read, unless `X-Fields` leaves it out."""
    return listed(call, VIEW, shown_domains(call.app, call.store, call.store.all(Kind.DOMAIN)))


def create_domain(call: Call) -> Answer:
    """Make a domain, with its alternatives."""
    name = call.document["name"]
    require_domain(name)
    if in_use(call.store, name):
        raise Refused(409, f"the name {name} is in use")
    domain = new_domain(name)
    _add_alternatives(call, domain)
    _change(domain, call.document)
    call.store.put(Kind.DOMAIN, domain["name"], domain)
    return done(f"the domain {name} is made")


def new_domain(name: str) -> Document:
    """Return a domain with the defaults."""
    return {"name": kept(name), "comment": "", "managers": [], "signup_enabled": False, **NUMBERS}


def show_domain(call: Call) -> Answer:
    """Show a domain. The refusal of an invalid name has the status 200."""
    name = call.arguments["domain"]
    if not is_domain(name):
        raise Refused(400, f"{name} is not a valid domain", status=200)
    domain = named(call, Kind.DOMAIN, name)
    return shown(one(VIEW, shown_domains(call.app, call.store, [domain])[0]))


def change_domain(call: Call) -> Answer:
    """Change a domain. One that does not exist is no refusal but an error."""
    name = call.arguments["domain"]
    require_domain(name)
    domain = call.store.find(Kind.DOMAIN, kept(name))
    if domain is None:
        raise LookupError(f"no domain {name}")
    _add_alternatives(call, domain)
    _change(domain, call.document)
    call.store.put(Kind.DOMAIN, domain["name"], domain)
    return done(f"the domain {name} is changed")


def _add_alternatives(call: Call, domain: Document) -> None:
    """Add alternatives; those that are not named stay."""
    names = call.document.get("alternatives", [])
    if len(names) != len(set(names)):
        raise Refused(409, "an alternative is named twice")
    for name in names:
        if in_use(call.store, name):  # which raises for an impossible name: a 500
            raise Refused(409, f"the name {name} is in use")
        require_domain(name)
    for name in names:
        alternative = {"name": kept(name), "domain": domain["name"]}
        call.store.put(Kind.ALTERNATIVE, kept(name), alternative)


def _change(domain: Document, body: Document) -> None:
    domain |= {name: body[name] for name in ("comment", "signup_enabled") if name in body}
    domain |= {name: kept_integer(body[name]) for name in NUMBERS if name in body}


def delete_domain(call: Call) -> Answer:
    """Remove a domain and all that is in it. The key's file stays."""
    domain = named(call, Kind.DOMAIN, call.arguments["domain"])
    remove_domain(call.store, domain["name"])
    return done(f"the domain {domain['name']} is removed")


def remove_domain(store: Store, key: str) -> None:
    """Remove a domain with its users and their tokens, aliases and alternatives."""
    for user in of_domain(store, Kind.USER, key):
        remove_user(store, user["email"])
    for alias in of_domain(store, Kind.ALIAS, key):
        store.remove(Kind.ALIAS, alias["email"])
    for alternative in store.all(Kind.ALTERNATIVE):
        if alternative["domain"] == key:
            store.remove(Kind.ALTERNATIVE, alternative["name"])
    store.remove(Kind.DOMAIN, key)


def make_key(call: Call) -> Answer:
    """Make a DKIM key, in place of the one that is there."""
    domain = named(call, Kind.DOMAIN, call.arguments["domain"])
    call.app.keys.make(shown_name(domain["name"]))
    return done(f"a key of {domain['name']} is made")


def list_users(call: Call) -> Answer:
    """List the users of a domain: with null fields, and whatever `X-Fields` says."""
    domain = named(call, Kind.DOMAIN, call.arguments["domain"])
    users = of_domain(call.store, Kind.USER, domain["name"])
    return shown([one(USER_VIEW, user) for user in users])


ROUTES = (
    api("GET", "/domain", list_domains),
    api("POST", "/domain", create_domain, CREATED),
    api("GET", "/domain/{domain}", show_domain),
    api("PATCH", "/domain/{domain}", change_domain, {**CHANGED, **strings("name")}),
    api("DELETE", "/domain/{domain}", delete_domain),
    api("POST", "/domain/{domain}/dkim", make_key),
    api("GET", "/domain/{domain}/users", list_users),
)
