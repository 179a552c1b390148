"""Tokens: the passwords of mail clients. Each is shown once."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime

from lab.mailu.admin.api.finding import addressed
from lab.mailu.admin.api.marshal import View, listed, one
from lab.mailu.admin.application import Call
from lab.mailu.admin.bodies import STRINGS, Field, Fields, strings
from lab.mailu.admin.messages import Answer, Refused, done, shown
from lab.mailu.admin.passwords import new_token, token_hash
from lab.mailu.admin.routing import api
from lab.mailu.admin.store import Document, Kind, kept_list

CHANGED: Fields = {**strings("comment"), "AuthorizedIP": Field(STRINGS)}
VIEW: View[Document] = {
    "id": lambda token: token["id"],
    "email": lambda token: token["email"],
    "comment": lambda token: token["comment"],
    "AuthorizedIP": lambda token: token["ip"],
    "Created": lambda token: token["created"],
    "Last edit": lambda token: str(token["edited"]),
}
LIST_VIEW: View[Document] = {
    **VIEW,
    "id": lambda token: str(token["id"]),
    "Last edit": lambda token: token["edited"],
}
"""In the list of all, the number is a text, and what was never changed says nothing of it."""


def list_tokens(call: Call) -> Answer:
    """List all tokens."""
    return listed(call, LIST_VIEW, call.store.all(Kind.TOKEN))


def create_token(call: Call) -> Answer:
    """Make a token for the user of the body."""
    return _created(call, call.document["email"])


def create_token_of_user(call: Call) -> Answer:
    """Make a token for the user of the path."""
    return _created(call, call.arguments["email"])


def _created(call: Call, address: str) -> Answer:
    """Make a token. The address is kept as it is written: with capitals it leads to no user."""
    addressed(call, Kind.USER, address)
    secret = new_token()
    ids = [token["id"] for token in call.store.all(Kind.TOKEN)]
    token = {
        "id": max(ids, default=0) + 1,  # the highest is given again after it was removed
        "email": address,
        "comment": call.document.get("comment", ""),
        "ip": _authorized(call.document),
        "created": _today(),
        "edited": None,
        "hash": token_hash(secret),
    }
    call.store.put(Kind.TOKEN, str(token["id"]), token)
    answered = one(VIEW, token)
    del answered["Last edit"]
    return shown({**answered, "token": secret})


def list_tokens_of_user(call: Call) -> Answer:
    """List the tokens of a user."""
    user = addressed(call, Kind.USER, call.arguments["email"])
    tokens = [token for token in call.store.all(Kind.TOKEN) if token["email"] == user["email"]]
    return shown([one(VIEW, token) for token in tokens])


def show_token(call: Call) -> Answer:
    """Show a token, without its secret."""
    return shown(one(VIEW, _found(call)))


def change_token(call: Call) -> Answer:
    """Change a token."""
    token = _found(call)
    if "comment" in call.document:
        token["comment"] = call.document["comment"]
    if "AuthorizedIP" in call.document:
        token["ip"] = _authorized(call.document)
    call.store.put(Kind.TOKEN, str(token["id"]), {**token, "edited": _today()})
    return done(f"the token {token['id']} is changed")


def delete_token(call: Call) -> Answer:
    """Remove a token."""
    token = _found(call)
    call.store.remove(Kind.TOKEN, str(token["id"]))
    return done(f"the token {token['id']} is removed")


def _found(call: Call) -> Document:
    token = call.store.find(Kind.TOKEN, call.arguments["id"])
    if token is None:
        raise Refused(404, f"the token {call.arguments['id']} does not exist")
    return token


def _authorized(body: Document) -> list[str]:
    """Return the networks of a body as they are kept: their host bits stay."""
    networks: list[str] = body.get("AuthorizedIP", [])
    for network in networks:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise Refused(400, f"{network} is no address or network") from None
    return kept_list(networks)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


ROUTES = (
    api("GET", "/token", list_tokens),
    api("POST", "/token", create_token, {**CHANGED, **strings("email", required=True)}),
    api("GET", "/token/{id}", show_token),
    api("PATCH", "/token/{id}", change_token, {**CHANGED, **strings("email")}),
    api("DELETE", "/token/{id}", delete_token),
    api("GET", "/tokenuser/{email}", list_tokens_of_user),
    api("POST", "/tokenuser/{email}", create_token_of_user, CHANGED),
)
