"""Tokens of mail clients."""

from __future__ import annotations

import re

import pytest

from .client import Client, assert_message, assert_page, route
from .conftest import Names

DATE = re.compile(r"\d{4}-\d\d-\d\d")


@route("POST /api/v1/token")
@route("POST /api/v1/tokenuser/{email}")
@pytest.mark.parametrize("by_path", [False, True], ids=["token", "tokenuser"])
def test_a_token_is_answered_once_with_its_secret(client: Client, user: str, by_path: bool) -> None:
    body: dict[str, object] = {"comment": "pm:t", "AuthorizedIP": ["198.51.100.7/24"]}
    client("POST", "/token", {"email": user})
    client("POST", f"/tokenuser/{user}", {})
    if by_path:
        answer = client("POST", f"/tokenuser/{user}", body)
    else:
        answer = client("POST", "/token", {"email": user, **body})
    assert answer.status_code == 200
    made = answer.json()
    assert set(made) == {"id", "token", "email", "comment", "AuthorizedIP", "Created"}
    assert re.fullmatch(r"[0-9a-f]{32}", made["token"])
    assert DATE.fullmatch(made["Created"])
    assert (made["email"], made["comment"]) == (user, "pm:t")
    assert made["AuthorizedIP"] == ["198.51.100.7/24"]
    assert "token" not in client.shown(f"/token/{made['id']}")


def test_making_it_again_makes_another(client: Client, names: Names, user: str) -> None:
    first, second = names.token(user), names.token(user)
    assert (first["id"], first["token"]) != (second["id"], second["token"])


@route("GET /api/v1/token")
@route("GET /api/v1/token/{id}")
@route("GET /api/v1/tokenuser/{email}")
def test_the_number_is_a_number_in_one_and_a_text_in_the_list(
    client: Client, names: Names, user: str
) -> None:
    made = names.token(user)
    shown = client.shown(f"/token/{made['id']}")
    assert isinstance(shown["id"], int)
    assert shown["Last edit"] == "None"
    assert {key: shown[key] for key in made if key != "token"} == {
        key: made[key] for key in made if key != "token"
    }
    (listed,) = [each for each in client.shown("/token") if each["id"] == str(made["id"])]
    assert set(listed) == {"id", "email", "comment", "AuthorizedIP", "Created"}
    assert client.shown(f"/tokenuser/{user}") == [shown]
    masked = client.shown("/token", extra={"X-Fields": "id,email"})
    assert {"id": str(made["id"]), "email": user} in masked


@route("PATCH /api/v1/token/{id}")
def test_a_change_is_dated(client: Client, names: Names, user: str) -> None:
    made = names.token(user)
    path = f"/token/{made['id']}"
    body = {"comment": "x", "AuthorizedIP": ["192.0.2.1"]}
    assert_message(client("PATCH", path, body), 200)
    shown = client.shown(path)
    assert (shown["comment"], shown["AuthorizedIP"]) == ("x", ["192.0.2.1"])
    assert DATE.fullmatch(shown["Last edit"])


@route("DELETE /api/v1/token/{id}")
def test_a_removed_token_is_gone(client: Client, names: Names, user: str) -> None:
    path = f"/token/{names.token(user)['id']}"
    assert_message(client("DELETE", path), 200)
    for method, body in (("GET", None), ("PATCH", {}), ("DELETE", None)):
        assert_message(client(method, path, body), 404)
    assert client.shown(f"/tokenuser/{user}") == []


def test_the_highest_number_is_given_again(client: Client, names: Names, user: str) -> None:
    first = names.token(user, comment="first")
    assert_message(client("DELETE", f"/token/{first['id']}"), 200)
    second = names.token(user, comment="second")
    assert second["id"] == first["id"]
    assert second["token"] != first["token"]


def test_a_user_that_does_not_exist_is_404(client: Client, domain: str) -> None:
    address = f"nobody@{domain}"
    assert_message(client("POST", "/token", {"email": address}), 404)
    assert_message(client("POST", f"/tokenuser/{address}", {}), 404)
    assert_message(client("GET", f"/tokenuser/{address}"), 404)


def test_an_invalid_address_is_400(client: Client) -> None:
    assert_message(client("POST", "/token", {"email": "nobody"}), 400)
    assert_message(client("POST", "/tokenuser/nobody", {}), 400)
    assert_message(client("GET", "/tokenuser/nobody"), 400)


def test_a_bad_network_is_400(client: Client, names: Names, user: str) -> None:
    body = {"AuthorizedIP": ["192.0.2.0/33"]}
    assert_message(client("POST", "/token", {"email": user, **body}), 400)
    assert_message(client("POST", f"/tokenuser/{user}", body), 400)
    made = names.token(user)
    assert_message(client("PATCH", f"/token/{made['id']}", body), 400)


def test_there_is_no_path_token_user(client: Client, user: str) -> None:
    assert_page(client("GET", f"/token/user/{user}"), 404)


def test_capitals_make_a_stray_that_outlives_its_user(
    client: Client, names: Names, user: str
) -> None:
    stray = names.token(user.upper())
    assert stray["email"] == user.upper()
    assert client.shown(f"/tokenuser/{user}") == []
    assert_message(client("DELETE", f"/user/{user}"), 200)
    assert client.shown(f"/token/{stray['id']}")["email"] == user.upper()
    assert_message(client("DELETE", f"/token/{stray['id']}"), 200)
