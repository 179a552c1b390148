"""Managers of domains: users of this host, of any domain."""

from __future__ import annotations

from lab.mailu.admin.api.finding import existing, named, require_address, require_domain
from lab.mailu.admin.application import Call
from lab.mailu.admin.bodies import strings
from lab.mailu.admin.messages import Answer, Refused, done, shown
from lab.mailu.admin.names import kept, kept_address, shown_address
from lab.mailu.admin.routing import api
from lab.mailu.admin.store import Document, Kind


def list_managers(call: Call) -> Answer:
    """List the managers of a domain."""
    domain = named(call, Kind.DOMAIN, call.arguments["domain"])
    return shown({"managers": [shown_address(key) for key in domain["managers"]]})


def add_manager(call: Call) -> Answer:
    """Make a user a manager of a domain."""
    domain, user = _both(call, call.document["user_email"])
    if user["email"] in domain["managers"]:
        raise Refused(409, f"{user['email']} is already a manager")
    domain["managers"].append(user["email"])
    call.store.put(Kind.DOMAIN, domain["name"], domain)
    return done(f"{user['email']} is a manager")


def show_manager(call: Call) -> Answer:
    """Say whether a user is a manager; in another case of letters the answer is `null`."""
    domain, user = _both(call, call.arguments["email"])
    _require_manager(domain, user)
    if call.arguments["email"] != shown_address(user["email"]):
        return shown(None)
    return done(f"{user['email']} is a manager")


def remove_manager(call: Call) -> Answer:
    """Let a user be no manager any more."""
    domain, user = _both(call, call.arguments["email"])
    _require_manager(domain, user)
    domain["managers"].remove(user["email"])
    call.store.put(Kind.DOMAIN, domain["name"], domain)
    return done(f"{user['email']} is no manager")


def _both(call: Call, address: str) -> tuple[Document, Document]:
    require_address(address)
    require_domain(call.arguments["domain"])
    domain = existing(call.store, Kind.DOMAIN, kept(call.arguments["domain"]))
    return domain, existing(call.store, Kind.USER, kept_address(address))


def _require_manager(domain: Document, user: Document) -> None:
    if user["email"] not in domain["managers"]:
        raise Refused(404, f"{user['email']} is no manager")


ROUTES = (
    api("GET", "/domain/{domain}/manager", list_managers),
    api("POST", "/domain/{domain}/manager", add_manager, strings("user_email", required=True)),
    api("GET", "/domain/{domain}/manager/{email}", show_manager),
    api("DELETE", "/domain/{domain}/manager/{email}", remove_manager),
)
