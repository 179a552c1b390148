"""Relays: domains whose mail goes on to another server."""

from __future__ import annotations

import pytest

from .client import Client, assert_message, route
from .conftest import Names

SMTP = "[10.255.0.1]:10026"


@route("GET /api/v1/relay")
@route("POST /api/v1/relay")
@route("GET /api/v1/relay/{name}")
@route("PATCH /api/v1/relay/{name}")
@route("DELETE /api/v1/relay/{name}")
def test_a_relay_is_made_shown_changed_and_removed(client: Client, names: Names) -> None:
    name = names.fresh()
    body = {"name": name, "smtp": SMTP, "comment": "pm:t"}
    path = f"/relay/{name}"
    assert_message(client("POST", "/relay", body), 200)
    assert client.shown(path) == client.shown(path.upper().replace("RELAY", "relay")) == body
    assert body in client.shown("/relay")
    assert {"name": name} in client.shown("/relay", extra={"X-Fields": "name"})
    for change in ({"comment": "x"}, {"smtp": "mx:elsewhere.test"}, {}):
        assert_message(client("PATCH", path, change), 200)
        body = {**body, **change}
        assert client.shown(path) == body
    assert_message(client("PATCH", path, {"name": names.fresh()}), 200)
    assert client.shown(path) == body
    assert_message(client("DELETE", path), 200)
    assert_message(client("DELETE", path), 404)


def test_without_smtp_it_shows_null_and_the_list_leaves_it_out(
    client: Client, names: Names
) -> None:
    name = names.fresh()
    client.made("/relay", {"name": name})
    assert client.shown(f"/relay/{name}") == {"name": name, "smtp": None, "comment": ""}
    assert {"name": name, "comment": ""} in client.shown("/relay")


@pytest.mark.parametrize("smtp", ["", "any text at all", "[::1]:25"])
def test_smtp_may_be_any_text(client: Client, names: Names, smtp: str) -> None:
    name = names.fresh()
    client.made("/relay", {"name": name, "smtp": smtp})
    assert client.shown(f"/relay/{name}")["smtp"] == smtp


@pytest.mark.parametrize("kind", ["domain", "alternative", "relay"])
def test_a_name_in_use_is_409(client: Client, names: Names, domain: str, kind: str) -> None:
    used = names.fresh()
    client.made(f"/{kind}", {"name": used, **({"domain": domain} if kind == "alternative" else {})})
    for name in (used, used.upper()):
        assert_message(client("POST", "/relay", {"name": name, "smtp": SMTP}), 409)


def test_unknown_is_404_and_invalid_is_400(client: Client, names: Names) -> None:
    for name, code in ((names.fresh(), 404), ("a_b.test", 400)):
        assert_message(client("GET", f"/relay/{name}"), code)
        assert_message(client("PATCH", f"/relay/{name}", {}), code)
        assert_message(client("DELETE", f"/relay/{name}"), code)
    assert_message(client("POST", "/relay", {"name": "a_b.test"}), 400)
