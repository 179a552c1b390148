"""Users: making, reading, changing and removing them, limits and odd values."""

from __future__ import annotations

from typing import Any

import pytest

from .client import Client, assert_message, assert_page, assert_plain_message, route
from .conftest import PASSWORD, Names

DEFAULTS = {
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
    "spam_threshold": 80,
}
CHANGES: dict[str, Any] = {
    "comment": "pm:t",
    "quota_bytes": 5,
    "global_admin": True,
    "enabled": False,
    "change_pw_next_login": True,
    "enable_imap": False,
    "enable_pop": False,
    "allow_spoofing": False,
    "forward_enabled": True,
    "forward_destination": ["someone@elsewhere.test"],
    "forward_keep": False,
    "reply_enabled": True,
    "reply_subject": "away",
    "reply_body": "back soon",
    "reply_startdate": "2030-01-02",
    "reply_enddate": "2030-02-03",
    "displayed_name": "Ada",
    "spam_enabled": False,
    "spam_mark_as_read": False,
    "spam_threshold": 50,
}


@route("POST /api/v1/user")
@route("GET /api/v1/user/{email}")
def test_a_new_user_has_the_defaults_and_shows_a_hash(client: Client, domain: str) -> None:
    address = f"ada@{domain}"
    assert_message(client("POST", "/user", {"email": address, "raw_password": PASSWORD}), 200)
    shown = client.shown(f"/user/{address}")
    assert {**shown, "password": ...} == {"email": address, "password": ..., **DEFAULTS}
    assert shown["password"].startswith("$")
    assert PASSWORD not in shown["password"]


def test_a_user_keeps_what_it_is_made_with(client: Client, names: Names, domain: str) -> None:
    address = names.user(domain, **CHANGES)
    shown = client.shown(f"/user/{address}")
    assert {name: shown[name] for name in CHANGES} == CHANGES


@route("PATCH /api/v1/user/{email}")
@pytest.mark.parametrize("field", sorted(CHANGES))
def test_changing_any_part_leaves_the_rest(
    client: Client, names: Names, domain: str, field: str
) -> None:
    start: dict[str, Any] = {"forward_destination": ["first@elsewhere.test"]}
    address = names.user(domain, **start)
    before = client.shown(f"/user/{address}")
    body = {field: CHANGES[field]}
    assert_message(client("PATCH", f"/user/{address}", body), 200)
    assert client.shown(f"/user/{address}") == {**before, **body}


def test_an_empty_change_and_a_change_of_the_address_change_nothing(
    client: Client, domain: str, user: str
) -> None:
    before = client.shown(f"/user/{user}")
    for body in ({}, {"email": f"eve@{domain}"}):
        assert_message(client("PATCH", f"/user/{user}", body), 200)
        assert client.shown(f"/user/{user}") == before
    assert_message(client("GET", f"/user/eve@{domain}"), 404)


@pytest.mark.parametrize("form", [str, str.upper], ids=["same", "other case"])
def test_making_it_again_is_409(client: Client, user: str, form: type[str]) -> None:
    body = {"email": form(user), "raw_password": PASSWORD}
    assert_message(client("POST", "/user", body), 409)


def test_addresses_are_looked_up_in_any_case(client: Client, user: str) -> None:
    assert client.shown(f"/user/{user.upper()}")["email"] == user
    assert_message(client("PATCH", f"/user/{user.upper()}", {"comment": "x"}), 200)
    assert_message(client("DELETE", f"/user/{user.upper()}"), 200)


def test_capitals_are_kept_small(client: Client, names: Names, domain: str) -> None:
    names.user(domain, "Grace.Hopper")
    assert client.shown(f"/user/grace.hopper@{domain}")["email"] == f"grace.hopper@{domain}"


@pytest.mark.parametrize("address", ["nobody", "a b@a.test", "a@nodot", "a@a_b.test", "@a.test"])
def test_an_invalid_address_is_400(client: Client, address: str) -> None:
    body = {"email": address, "raw_password": PASSWORD}
    assert_message(client("POST", "/user", body), 400)
    assert_message(client("GET", f"/user/{address}"), 400)
    assert_message(client("PATCH", f"/user/{address}", {}), 400)
    assert_message(client("DELETE", f"/user/{address}"), 400)


def test_an_unknown_user_is_404(client: Client, domain: str) -> None:
    path = f"/user/nobody@{domain}"
    assert_message(client("GET", path), 404)
    assert_message(client("PATCH", path, {}), 404)
    assert_message(client("DELETE", path), 404)


def test_a_user_of_an_unknown_domain_or_of_an_alternative_is_404(
    client: Client, names: Names
) -> None:
    alternative = names.fresh()
    names.domain(alternatives=[alternative])
    for name in (names.fresh(), alternative):
        body = {"email": f"ada@{name}", "raw_password": PASSWORD}
        assert_message(client("POST", "/user", body), 404)


def test_a_slash_in_the_address_makes_an_object_that_nothing_reaches(
    client: Client, names: Names, domain: str
) -> None:
    address = names.user(domain, "a/b")
    for written in (address, address.replace("/", "%2F")):
        assert_page(client("GET", f"/user/{written}"), 404)
        assert_page(client("DELETE", f"/user/{written}"), 404)
    assert address in [each["email"] for each in client.shown(f"/domain/{domain}/users")]


def test_the_limit_of_users_is_409(client: Client, names: Names) -> None:
    name = names.domain(max_users=1)
    names.user(name)
    body = {"email": f"bob@{name}", "raw_password": PASSWORD}
    assert_message(client("POST", "/user", body), 409)


@pytest.mark.parametrize("quota", [0, -1, 2**63 - 1])
def test_a_quota_may_be_any_number_and_the_limit_is_not_checked(
    client: Client, names: Names, quota: int
) -> None:
    address = names.user(names.domain(max_quota_bytes=1), quota_bytes=quota)
    assert client.shown(f"/user/{address}")["quota_bytes"] == quota


@pytest.mark.parametrize("threshold", [-5, 1000])
def test_a_threshold_may_be_any_number(client: Client, user: str, threshold: int) -> None:
    assert_message(client("PATCH", f"/user/{user}", {"spam_threshold": threshold}), 200)
    assert client.shown(f"/user/{user}")["spam_threshold"] == threshold


@pytest.mark.parametrize(
    "body",
    [
        {"quota_bytes": 2**63},
        {"reply_startdate": "tomorrow"},
        {"reply_enddate": "2030-02-30"},
        {"raw_password": "x" * 4097},
    ],
    ids=["quota", "no date", "impossible date", "long password"],
)
def test_values_that_cannot_be_kept_are_500_and_change_nothing(
    client: Client, domain: str, user: str, body: dict[str, object]
) -> None:
    before = client.shown(f"/user/{user}")
    assert_plain_message(client("PATCH", f"/user/{user}", {"comment": "x", **body}), 500)
    assert client.shown(f"/user/{user}") == before
    made = {"email": f"bob@{domain}", "raw_password": PASSWORD, **body}
    assert_plain_message(client("POST", "/user", made), 500)
    assert_message(client("GET", f"/user/bob@{domain}"), 404)


class TestForwards:
    """Where a copy of a user's mail goes."""

    def test_outside_addresses_are_accepted_and_sorted(self, client: Client, user: str) -> None:
        body = {"forward_destination": ["z@elsewhere.test", "a@elsewhere.test"]}
        assert_message(client("PATCH", f"/user/{user}", body), 200)
        shown = client.shown(f"/user/{user}")["forward_destination"]
        assert shown == ["a@elsewhere.test", "z@elsewhere.test"]

    def test_an_invalid_destination_is_400(self, client: Client, user: str) -> None:
        body = {"forward_destination": ["nobody"]}
        assert_message(client("PATCH", f"/user/{user}", body), 400)

    def test_making_one_that_forwards_to_nowhere_is_400(self, client: Client, domain: str) -> None:
        body = {"email": f"bob@{domain}", "raw_password": PASSWORD, "forward_enabled": True}
        assert_message(client("POST", "/user", body), 400)
        assert_message(client("POST", "/user", {**body, "forward_destination": []}), 400)

    def test_destinations_cannot_be_emptied(self, client: Client, names: Names) -> None:
        start: dict[str, Any] = {
            "forward_enabled": True,
            "forward_destination": ["a@elsewhere.test"],
        }
        user = names.user(names.domain(), **start)
        assert_message(client("PATCH", f"/user/{user}", {"forward_destination": []}), 400)
        assert_message(client("PATCH", f"/user/{user}", {"forward_enabled": False}), 200)
        assert_message(client("PATCH", f"/user/{user}", {"forward_destination": []}), 200)
        assert client.shown(f"/user/{user}")["forward_destination"] == ["a@elsewhere.test"]


@route("DELETE /api/v1/user/{email}")
def test_removing_a_user_takes_its_tokens_along_and_not_its_aliases(
    client: Client, names: Names, domain: str, user: str
) -> None:
    token = names.token(user)
    client.made("/alias", {"email": f"info@{domain}", "destination": [user]})
    assert_message(client("DELETE", f"/user/{user}"), 200)
    assert_message(client("DELETE", f"/user/{user}"), 404)
    assert_message(client("GET", f"/token/{token['id']}"), 404)
    assert client.shown(f"/alias/info@{domain}")["destination"] == [user]


@route("GET /api/v1/user")
def test_the_list_leaves_null_fields_out_and_obeys_a_mask(client: Client, user: str) -> None:
    (listed,) = [each for each in client.shown("/user") if each["email"] == user]
    single = client.shown(f"/user/{user}")
    assert listed == {key: value for key, value in single.items() if value is not None}
    assert {"email": user, "comment": ""} in client.shown(
        "/user", extra={"X-Fields": "email,comment"}
    )
