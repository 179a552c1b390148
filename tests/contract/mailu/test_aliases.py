"""Aliases."""

from __future__ import annotations

from typing import Any

import pytest

from .client import Client, assert_message, assert_page, assert_plain_message, route
from .conftest import Names


@route("POST /api/v1/alias")
@route("GET /api/v1/alias/{alias}")
@route("DELETE /api/v1/alias/{alias}")
def test_an_alias_is_made_shown_and_removed(client: Client, domain: str, user: str) -> None:
    address = f"info@{domain}"
    body = {"email": address, "destination": [user], "comment": "pm:t"}
    assert_message(client("POST", "/alias", body), 200)
    assert client.shown(f"/alias/{address}") == {**body, "wildcard": False}
    assert client.shown(f"/alias/{address.upper()}")["email"] == address
    assert_message(client("DELETE", f"/alias/{address}"), 200)
    assert_message(client("DELETE", f"/alias/{address}"), 404)


@pytest.mark.parametrize("form", [str, str.upper], ids=["same", "other case"])
def test_making_it_again_is_409(client: Client, domain: str, user: str, form: type[str]) -> None:
    client.made("/alias", {"email": f"info@{domain}", "destination": [user]})
    body = {"email": form(f"info@{domain}"), "destination": [user]}
    assert_message(client("POST", "/alias", body), 409)


def test_destinations_are_sorted_and_equal_ones_kept_once(
    client: Client, names: Names, domain: str
) -> None:
    first, second = names.user(domain, "a"), names.user(domain, "b")
    client.made("/alias", {"email": f"info@{domain}", "destination": [second, first, second]})
    assert client.shown(f"/alias/info@{domain}")["destination"] == [first, second]


def test_destinations_keep_their_capitals(client: Client, domain: str, user: str) -> None:
    client.made("/alias", {"email": f"info@{domain}", "destination": [user.title()]})
    assert client.shown(f"/alias/info@{domain}")["destination"] == [user.title()]


def test_a_destination_may_be_a_user_of_any_domain(
    client: Client, names: Names, domain: str
) -> None:
    stranger = names.user(names.domain())
    client.made("/alias", {"email": f"info@{domain}", "destination": [stranger]})


def test_a_destination_that_is_no_user_is_404(client: Client, domain: str, user: str) -> None:
    client.made("/alias", {"email": f"info@{domain}", "destination": [user]})
    for destination in (f"nobody@{domain}", "someone@elsewhere.test", f"info@{domain}"):
        body = {"email": f"sales@{domain}", "destination": [user, destination]}
        assert_message(client("POST", "/alias", body), 404)
        change = {"destination": [destination]}
        assert_message(client("PATCH", f"/alias/info@{domain}", change), 404)
    assert client.shown(f"/alias/info@{domain}")["destination"] == [user]


def test_no_destination_is_accepted_but_a_body_without_the_field_is_500(
    client: Client, domain: str
) -> None:
    client.made("/alias", {"email": f"info@{domain}", "destination": []})
    assert client.shown(f"/alias/info@{domain}")["destination"] == []
    assert_plain_message(client("POST", "/alias", {"email": f"sales@{domain}"}), 500)
    assert_message(client("GET", f"/alias/sales@{domain}"), 404)


def test_an_alias_may_have_the_name_of_a_user(client: Client, user: str) -> None:
    client.made("/alias", {"email": user, "destination": []})
    assert client.shown(f"/alias/{user}")["email"] == user
    assert client.shown(f"/user/{user}")["email"] == user


@route("PATCH /api/v1/alias/{alias}")
def test_changing_any_part_leaves_the_rest(client: Client, domain: str, user: str) -> None:
    path = f"/alias/info@{domain}"
    client.made("/alias", {"email": f"info@{domain}", "destination": [user]})
    before = client.shown(path)
    bodies: list[dict[str, Any]] = [{"comment": "x"}, {"wildcard": True}, {"destination": []}, {}]
    for body in bodies:
        assert_message(client("PATCH", path, body), 200)
        before = {**before, **body}
        assert client.shown(path) == before
    assert_message(client("PATCH", path, {"email": f"sales@{domain}"}), 200)
    assert client.shown(path) == before


def test_unknown_is_404_and_invalid_is_400(client: Client, names: Names, domain: str) -> None:
    for address, code in ((f"nobody@{domain}", 404), ("nobody", 400)):
        assert_message(client("GET", f"/alias/{address}"), code)
        assert_message(client("PATCH", f"/alias/{address}", {}), code)
        assert_message(client("DELETE", f"/alias/{address}"), code)
    for address, code in ((f"info@{names.fresh()}", 404), ("nobody", 400)):
        assert_message(client("POST", "/alias", {"email": address, "destination": []}), code)


def test_the_limit_of_aliases_is_409(client: Client, names: Names) -> None:
    name = names.domain(max_aliases=1)
    client.made("/alias", {"email": f"a@{name}", "destination": []})
    body = {"email": f"b@{name}", "destination": []}
    assert_message(client("POST", "/alias", body), 409)


def test_a_slash_in_the_address_makes_an_object_that_nothing_reaches(
    client: Client, domain: str
) -> None:
    client.made("/alias", {"email": f"a/b@{domain}", "destination": []})
    assert_page(client("GET", f"/alias/a%2Fb@{domain}"), 404)


@route("GET /api/v1/alias")
def test_the_list_obeys_a_mask(client: Client, domain: str) -> None:
    address = f"info@{domain}"
    client.made("/alias", {"email": address, "destination": []})
    assert client.shown(f"/alias/{address}") in client.shown("/alias")
    assert {"email": address} in client.shown("/alias", extra={"X-Fields": "email"})


@route("GET /api/v1/alias/destination/{domain}")
def test_destination_lists_the_aliases_of_a_domain(client: Client, names: Names) -> None:
    name, elsewhere = names.domain(), names.domain()
    user = names.user(name)
    client.made("/alias", {"email": f"info@{name}", "destination": []})
    client.made("/alias", {"email": f"info@{elsewhere}", "destination": [user]})
    listed = client.shown(f"/alias/destination/{name}")
    assert [alias["email"] for alias in listed] == [f"info@{name}"]
    assert_message(client("GET", f"/alias/destination/{names.fresh()}"), 404)
