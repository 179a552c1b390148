"""Users: addresses with a mailbox and a password."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from operator import itemgetter
from typing import Any

from lab.mailu.admin.api.finding import addressed, existing, of_domain, require_address
from lab.mailu.admin.api.marshal import View, listed, one
from lab.mailu.admin.application import Application, Call
from lab.mailu.admin.bodies import INTEGER, STRINGS, Field, Fields, booleans, strings
from lab.mailu.admin.messages import Answer, Refused, done, shown
from lab.mailu.admin.names import kept_address, shown_address
from lab.mailu.admin.routing import api
from lab.mailu.admin.store import Document, Kind, Store, kept_integer, kept_list

DEFAULTS: Document = {
    "comment": "",
    "quota_bytes": 10**9,
    "quota_bytes_used": 0,
    "global_admin": False,
    "enabled": True,
    "change_pw_next_login": False,
    "enable_imap": True,
    "enable_pop": True,
    "allow_spoofing": False,
    "forward_enabled": False,
    "forward_destination": [],
    "forward_keep": True,
    "reply_enabled": False,
    "reply_subject": None,
    "reply_body": None,
    "reply_startdate": "1900-01-01",
    "reply_enddate": "2999-12-31",
    "displayed_name": "",
    "spam_enabled": True,
    "spam_mark_as_read": True,
}
CHANGED: Fields = {
    **strings("raw_password", "comment", "reply_subject", "reply_body", "displayed_name"),
    **strings("reply_startdate", "reply_enddate"),
    **booleans("global_admin", "enabled", "change_pw_next_login", "enable_imap", "enable_pop"),
    **booleans("allow_spoofing", "forward_enabled", "forward_keep", "reply_enabled"),
    **booleans("spam_enabled", "spam_mark_as_read"),
    "quota_bytes": Field(INTEGER),
    "spam_threshold": Field(INTEGER),
    "forward_destination": Field(STRINGS),
}
CREATED: Fields = {**CHANGED, **strings("email", "raw_password", required=True)}
VIEW: View[Document] = {
    "email": lambda user: shown_address(user["email"]),
    "password": itemgetter("password"),
    **{name: itemgetter(name) for name in [*DEFAULTS, "spam_threshold"]},
}


def _kept_date(text: str) -> str:
    """Return a date as it is kept. What is none raises ValueError: a 500."""
    year, month, day = map(int, text.split("-"))
    return date(year, month, day).isoformat()


CONVERTED: dict[str, Callable[[Any], Any]] = {
    "quota_bytes": kept_integer,
    "spam_threshold": kept_integer,
    "forward_destination": kept_list,
    "reply_startdate": _kept_date,
    "reply_enddate": _kept_date,
}
"""Fields that are kept in another form, or not always."""


def list_users(call: Call) -> Answer:
    """List all users, each with the hash of its password."""
    return listed(call, VIEW, call.store.all(Kind.USER))


def create_user(call: Call) -> Answer:
    """Make a user."""
    body = call.document
    require_address(body["email"])
    _require_destinations(body)
    key = kept_address(body["email"])
    domain = existing(call.store, Kind.DOMAIN, key.rpartition("@")[2])
    if 0 <= domain["max_users"] <= len(of_domain(call.store, Kind.USER, domain["name"])):
        raise Refused(409, f"{domain['name']} has too many users")
    if call.store.find(Kind.USER, key) is not None:
        raise Refused(409, f"the user {key} exists")
    if body.get("forward_enabled") and not body.get("forward_destination"):
        raise Refused(400, "a user who forwards needs a destination")
    user = new_user(call.app, key, body["raw_password"])
    call.store.put(Kind.USER, key, user | _changes(body))
    return done(f"the user {key} is made")


def new_user(app: Application, key: str, password: str) -> Document:
    """Return a user with the defaults."""
    hashed = app.passwords.hashed(password)
    threshold = app.settings.spam_threshold
    return {"email": key, "password": hashed, **DEFAULTS, "spam_threshold": threshold}


def show_user(call: Call) -> Answer:
    """Show a user."""
    return shown(one(VIEW, addressed(call, Kind.USER, call.arguments["email"])))


def change_user(call: Call) -> Answer:
    """Change a user; its tokens stay when its password changes."""
    body = call.document
    require_address(call.arguments["email"])
    _require_destinations(body)
    user = addressed(call, Kind.USER, call.arguments["email"])
    forwards = body.get("forward_enabled", user["forward_enabled"])
    if forwards and body.get("forward_destination") == []:
        raise Refused(400, "a user who forwards needs a destination")
    changes = _changes(body)
    if "raw_password" in body:
        changes["password"] = call.app.passwords.hashed(body["raw_password"])
    call.store.put(Kind.USER, user["email"], user | changes)
    return done(f"the user {user['email']} is changed")


def _require_destinations(body: Document) -> None:
    for destination in body.get("forward_destination", []):
        require_address(destination)


def _changes(body: Document) -> Document:
    """Return what a body changes, as it is kept; destinations cannot be emptied."""
    return {
        name: CONVERTED[name](value) if name in CONVERTED else value
        for name, value in body.items()
        if name not in ("email", "raw_password") and (name, value) != ("forward_destination", [])
    }


def delete_user(call: Call) -> Answer:
    """Remove a user. The mailbox's files stay, and aliases go on naming it."""
    user = addressed(call, Kind.USER, call.arguments["email"])
    remove_user(call.store, user["email"])
    return done(f"the user {user['email']} is removed")


def remove_user(store: Store, key: str) -> None:
    """Remove a user, its tokens, and itself from the managers of domains."""
    for token in store.all(Kind.TOKEN):
        if token["email"] == key:
            store.remove(Kind.TOKEN, str(token["id"]))
    for domain in store.all(Kind.DOMAIN):
        if key in domain["managers"]:
            domain["managers"].remove(key)
            store.put(Kind.DOMAIN, domain["name"], domain)
    store.remove(Kind.USER, key)


ROUTES = (
    api("GET", "/user", list_users),
    api("POST", "/user", create_user, CREATED),
    api("GET", "/user/{email}", show_user),
    api("PATCH", "/user/{email}", change_user, {**CHANGED, **strings("email")}),
    api("DELETE", "/user/{email}", delete_user),
)
