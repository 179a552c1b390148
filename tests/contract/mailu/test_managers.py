"""Managers of domains."""

from __future__ import annotations

from .client import Client, assert_message, route
from .conftest import Names


@route("GET /api/v1/domain/{domain}/manager")
@route("POST /api/v1/domain/{domain}/manager")
@route("GET /api/v1/domain/{domain}/manager/{email}")
@route("DELETE /api/v1/domain/{domain}/manager/{email}")
def test_a_manager_is_added_shown_and_removed(client: Client, domain: str, user: str) -> None:
    path = f"/domain/{domain}/manager"
    assert client.shown(path) == {"managers": []}
    assert_message(client("POST", path, {"user_email": user}), 200)
    assert client.shown(path) == {"managers": [user]}
    assert client.shown(f"/domain/{domain}")["managers"] == [user]
    assert_message(client("GET", f"{path}/{user}"), 200)
    assert_message(client("DELETE", f"{path}/{user}"), 200)
    assert client.shown(path) == {"managers": []}


def test_a_user_of_any_domain_may_be_a_manager(client: Client, names: Names, domain: str) -> None:
    stranger = names.user(names.domain())
    assert_message(client("POST", f"/domain/{domain}/manager", {"user_email": stranger}), 200)


def test_adding_it_again_is_409(client: Client, domain: str, user: str) -> None:
    client.made(f"/domain/{domain}/manager", {"user_email": user})
    assert_message(client("POST", f"/domain/{domain}/manager", {"user_email": user}), 409)


def test_who_is_no_manager_is_404(client: Client, domain: str, user: str) -> None:
    for address in (user, f"nobody@{domain}"):
        assert_message(client("GET", f"/domain/{domain}/manager/{address}"), 404)
        assert_message(client("DELETE", f"/domain/{domain}/manager/{address}"), 404)
    body = {"user_email": f"nobody@{domain}"}
    assert_message(client("POST", f"/domain/{domain}/manager", body), 404)


def test_an_invalid_address_is_400(client: Client, domain: str) -> None:
    path = f"/domain/{domain}/manager"
    assert_message(client("POST", path, {"user_email": "nobody"}), 400)
    assert_message(client("GET", f"{path}/nobody"), 400)
    assert_message(client("DELETE", f"{path}/nobody"), 400)


def test_a_manager_in_another_case_is_200_with_null(client: Client, domain: str, user: str) -> None:
    client.made(f"/domain/{domain}/manager", {"user_email": user})
    assert client.shown(f"/domain/{domain}/manager/{user.upper()}") is None
