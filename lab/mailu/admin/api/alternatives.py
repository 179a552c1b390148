"""Alternatives: further names of a domain. They have no comment and cannot be changed."""

from __future__ import annotations

from lab.mailu.admin.api.finding import existing, in_use, named, require_domain
from lab.mailu.admin.api.marshal import View, listed, one
from lab.mailu.admin.application import Call
from lab.mailu.admin.bodies import strings
from lab.mailu.admin.messages import Answer, Refused, done, shown
from lab.mailu.admin.names import kept
from lab.mailu.admin.names import shown as shown_name
from lab.mailu.admin.routing import api
from lab.mailu.admin.store import Document, Kind

VIEW: View[Document] = {
    "name": lambda alternative: shown_name(alternative["name"]),
    "domain": lambda alternative: shown_name(alternative["domain"]),
}


def list_alternatives(call: Call) -> Answer:
    """List all alternatives."""
    return listed(call, VIEW, call.store.all(Kind.ALTERNATIVE))


def create_alternative(call: Call) -> Answer:
    """Make a name an alternative of a domain, which is no alternative itself."""
    name, domain = call.document["name"], call.document["domain"]
    require_domain(name)
    require_domain(domain)
    existing(call.store, Kind.DOMAIN, kept(domain))
    if in_use(call.store, name):
        raise Refused(409, f"the name {name} is in use")
    alternative = {"name": kept(name), "domain": kept(domain)}
    call.store.put(Kind.ALTERNATIVE, kept(name), alternative)
    return done(f"the alternative {name} is made")


def show_alternative(call: Call) -> Answer:
    """Show an alternative."""
    return shown(one(VIEW, named(call, Kind.ALTERNATIVE, call.arguments["name"])))


def delete_alternative(call: Call) -> Answer:
    """Remove an alternative."""
    alternative = named(call, Kind.ALTERNATIVE, call.arguments["name"])
    call.store.remove(Kind.ALTERNATIVE, alternative["name"])
    return done(f"the alternative {alternative['name']} is removed")


ROUTES = (
    api("GET", "/alternative", list_alternatives),
    api("POST", "/alternative", create_alternative, strings("name", "domain", required=True)),
    api("GET", "/alternative/{name}", show_alternative),
    api("DELETE", "/alternative/{name}", delete_alternative),
)
