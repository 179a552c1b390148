"""Alternatives: further names of a domain."""

from __future__ import annotations

import pytest

from .client import Client, assert_message, assert_page, assert_plain_message, route
from .conftest import Names


@route("GET /api/v1/alternative")
@route("POST /api/v1/alternative")
@route("GET /api/v1/alternative/{name}")
@route("DELETE /api/v1/alternative/{name}")
def test_an_alternative_is_made_shown_and_removed(
    client: Client, names: Names, domain: str
) -> None:
    name = names.fresh()
    assert_message(client("POST", "/alternative", {"name": name, "domain": domain}), 200)
    shown = {"name": name, "domain": domain}
    assert client.shown(f"/alternative/{name}") == shown
    assert client.shown(f"/alternative/{name.upper()}") == shown
    assert shown in client.shown("/alternative")
    assert {"name": name} in client.shown("/alternative", extra={"X-Fields": "name"})
    assert client.shown(f"/domain/{domain}")["alternatives"] == [name]
    assert_message(client("DELETE", f"/alternative/{name}"), 200)
    assert_message(client("DELETE", f"/alternative/{name}"), 404)
    assert_message(client("GET", f"/alternative/{name}"), 404)


@pytest.mark.parametrize("kind", ["domain", "alternative", "relay"])
def test_a_name_in_use_is_409(client: Client, names: Names, domain: str, kind: str) -> None:
    used = names.fresh()
    client.made(f"/{kind}", {"name": used, **({"domain": domain} if kind == "alternative" else {})})
    for name in (used, used.upper()):
        assert_message(client("POST", "/alternative", {"name": name, "domain": domain}), 409)


def test_an_unknown_domain_is_404(client: Client, names: Names) -> None:
    body = {"name": names.fresh(), "domain": names.fresh()}
    assert_message(client("POST", "/alternative", body), 404)


def test_an_alternative_of_an_alternative_is_404(client: Client, names: Names) -> None:
    first = names.fresh()
    names.domain(alternatives=[first])
    body = {"name": names.fresh(), "domain": first}
    assert_message(client("POST", "/alternative", body), 404)


@pytest.mark.parametrize("field", ["name", "domain"])
def test_an_invalid_name_is_400(client: Client, names: Names, domain: str, field: str) -> None:
    body = {"name": names.fresh(), "domain": domain, field: "a_b.test"}
    assert_message(client("POST", "/alternative", body), 400)


def test_an_alternative_cannot_be_changed_and_has_no_comment(
    client: Client, names: Names, domain: str
) -> None:
    name = names.fresh()
    client.made("/alternative", {"name": name, "domain": domain})
    assert_plain_message(client("PATCH", f"/alternative/{name}", {}), 405)
    assert_page(client("GET", f"/alternative/{name}/"), 404)
    assert set(client.shown(f"/alternative/{name}")) == {"name", "domain"}
