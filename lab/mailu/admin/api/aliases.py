"""Aliases: addresses whose mail goes to users of this host."""

from __future__ import annotations

from operator import itemgetter

from lab.mailu.admin.api.finding import addressed, existing, named, of_domain, require_address
from lab.mailu.admin.api.marshal import View, listed, one
from lab.mailu.admin.application import Call
from lab.mailu.admin.bodies import BOOLEAN, STRINGS, Field, Fields, strings
from lab.mailu.admin.messages import Answer, Refused, done, shown
from lab.mailu.admin.names import kept_address, shown_address
from lab.mailu.admin.routing import api
from lab.mailu.admin.store import Document, Kind, kept_list

CHANGED: Fields = {
    **strings("comment"),
    "destination": Field(STRINGS),
    "wildcard": Field(BOOLEAN),
}
VIEW: View[Document] = {
    "email": lambda alias: shown_address(alias["email"]),
    **{name: itemgetter(name) for name in ("comment", "destination", "wildcard")},
}


def list_aliases(call: Call) -> Answer:
    """List all aliases."""
    return listed(call, VIEW, call.store.all(Kind.ALIAS))


def create_alias(call: Call) -> Answer:
    """Make an alias. A body without destination is no refusal but an error."""
    body = call.document
    require_address(body["email"])
    key = kept_address(body["email"])
    domain = existing(call.store, Kind.DOMAIN, key.rpartition("@")[2])
    if 0 <= domain["max_aliases"] <= len(of_domain(call.store, Kind.ALIAS, domain["name"])):
        raise Refused(409, f"{domain['name']} has too many aliases")
    _require_users(call, body["destination"])
    if call.store.find(Kind.ALIAS, key) is not None:
        raise Refused(409, f"the alias {key} exists")
    alias = {"email": key, "comment": "", "wildcard": False}
    call.store.put(Kind.ALIAS, key, alias | _changes(body))
    return done(f"the alias {key} is made")


def show_alias(call: Call) -> Answer:
    """Show an alias."""
    return shown(one(VIEW, addressed(call, Kind.ALIAS, call.arguments["alias"])))


def change_alias(call: Call) -> Answer:
    """Change an alias."""
    alias = addressed(call, Kind.ALIAS, call.arguments["alias"])
    _require_users(call, call.document.get("destination", []))
    call.store.put(Kind.ALIAS, alias["email"], alias | _changes(call.document))
    return done(f"the alias {alias['email']} is changed")


def _require_users(call: Call, destinations: list[str]) -> None:
    """Refuse a destination that is no user of this host; its domain may be any tenant's."""
    for destination in destinations:
        require_address(destination)
        existing(call.store, Kind.USER, kept_address(destination))


def _changes(body: Document) -> Document:
    changes: Document = {name: body[name] for name in ("comment", "wildcard") if name in body}
    if "destination" in body:
        changes["destination"] = kept_list(body["destination"])
    return changes


def delete_alias(call: Call) -> Answer:
    """Remove an alias."""
    alias = addressed(call, Kind.ALIAS, call.arguments["alias"])
    call.store.remove(Kind.ALIAS, alias["email"])
    return done(f"the alias {alias['email']} is removed")


def list_of_domain(call: Call) -> Answer:
    """List the aliases of a domain, not those that lead to it."""
    domain = named(call, Kind.DOMAIN, call.arguments["domain"])
    aliases = of_domain(call.store, Kind.ALIAS, domain["name"])
    return shown([one(VIEW, alias) for alias in aliases])


ROUTES = (
    api("GET", "/alias", list_aliases),
    api("POST", "/alias", create_alias, {**CHANGED, **strings("email", required=True)}),
    api("GET", "/alias/destination/{domain}", list_of_domain),
    api("GET", "/alias/{alias}", show_alias),
    api("PATCH", "/alias/{alias}", change_alias, {**CHANGED, **strings("email")}),
    api("DELETE", "/alias/{alias}", delete_alias),
)
