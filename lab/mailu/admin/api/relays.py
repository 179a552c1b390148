"""Relays: domains whose mail goes on to another server."""

from __future__ import annotations

from operator import itemgetter

from lab.mailu.admin.api.finding import in_use, named, require_domain
from lab.mailu.admin.api.marshal import View, listed, one
from lab.mailu.admin.application import Call
from lab.mailu.admin.bodies import Fields, strings
from lab.mailu.admin.messages import Answer, Refused, done, shown
from lab.mailu.admin.names import kept
from lab.mailu.admin.names import shown as shown_name
from lab.mailu.admin.routing import api
from lab.mailu.admin.store import Document, Kind

CHANGED: Fields = strings("smtp", "comment")
VIEW: View[Document] = {
    "name": lambda relay: shown_name(relay["name"]),
    "smtp": itemgetter("smtp"),
    "comment": itemgetter("comment"),
}


def list_relays(call: Call) -> Answer:
    """List all relays."""
    return listed(call, VIEW, call.store.all(Kind.RELAY))


def create_relay(call: Call) -> Answer:
    """Make a relay; `smtp` may be any text, or absent."""
    name = call.document["name"]
    require_domain(name)
    if in_use(call.store, name):
        raise Refused(409, f"the name {name} is in use")
    relay = {"smtp": None, "comment": "", **call.document, "name": kept(name)}
    call.store.put(Kind.RELAY, relay["name"], relay)
    return done(f"the relay {name} is made")


def show_relay(call: Call) -> Answer:
    """Show a relay."""
    return shown(one(VIEW, named(call, Kind.RELAY, call.arguments["name"])))


def change_relay(call: Call) -> Answer:
    """Change a relay."""
    relay = named(call, Kind.RELAY, call.arguments["name"])
    call.store.put(Kind.RELAY, relay["name"], {**relay, **call.document, "name": relay["name"]})
    return done(f"the relay {relay['name']} is changed")


def delete_relay(call: Call) -> Answer:
    """Remove a relay."""
    relay = named(call, Kind.RELAY, call.arguments["name"])
    call.store.remove(Kind.RELAY, relay["name"])
    return done(f"the relay {relay['name']} is removed")


ROUTES = (
    api("GET", "/relay", list_relays),
    api("POST", "/relay", create_relay, {**CHANGED, **strings("name", required=True)}),
    api("GET", "/relay/{name}", show_relay),
    api("PATCH", "/relay/{name}", change_relay, {**CHANGED, **strings("name")}),
    api("DELETE", "/relay/{name}", delete_relay),
)
