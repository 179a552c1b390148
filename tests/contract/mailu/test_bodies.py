"""What is verified of a request before anything else: path, method, body, in this order."""

from __future__ import annotations

import json

import pytest

from .client import (
    NO_TOKEN,
    Client,
    assert_invalid,
    assert_message,
    assert_page,
    assert_plain_message,
    route,
)
from .conftest import Names

WRONG = {"Authorization": "wrong"}
AS_JSON = {"Content-Type": "application/json"}


@route("GET /ping")
def test_ping_answers_without_a_token(client: Client) -> None:
    assert client.plain("GET", "/ping").status_code == 200


@route("GET /api/v1/swagger.json")
def test_swagger_lists_the_paths_without_a_token(client: Client) -> None:
    answer = client("GET", "/swagger.json", headers=NO_TOKEN)
    assert answer.status_code == 200
    assert {"/domain", "/user/{email}", "/tokenuser/{email}"} <= set(answer.json()["paths"])


@route("GET /api/v1/")
def test_the_root_is_a_page(client: Client) -> None:
    assert_page(client("GET", "/", headers=NO_TOKEN), 200)


@pytest.mark.parametrize("path", ["/nothing", "/user/", "/domain/a.test/", "/token/user/a@a.test"])
def test_unknown_path_is_a_page_with_404(client: Client, path: str) -> None:
    assert_page(client("GET", path), 404)


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/user"), ("PATCH", "/alternative/a.test"), ("DELETE", "/domain")]
)
def test_method_that_the_path_lacks_is_405(client: Client, method: str, path: str) -> None:
    assert_plain_message(client(method, path), 405)


@pytest.mark.parametrize("headers", [NO_TOKEN, WRONG], ids=["no token", "wrong token"])
class TestBodyBeforeToken:
    """A bad body is answered whatever the token, and counts as no attempt."""

    def test_without_content_type_is_415(self, client: Client, headers: dict[str, str]) -> None:
        answer = client("POST", "/domain", headers=headers, content=b'{"name": "a.test"}')
        assert_plain_message(answer, 415)

    def test_other_content_type_is_415(self, client: Client, headers: dict[str, str]) -> None:
        given = {**headers, "Content-Type": "text/plain"}
        assert_plain_message(client("POST", "/domain", headers=given, content=b"{}"), 415)

    @pytest.mark.parametrize("content", [b"", b"{", b"name=a.test"])
    def test_no_json_is_400(self, client: Client, headers: dict[str, str], content: bytes) -> None:
        given = {**headers, **AS_JSON}
        assert_plain_message(client("POST", "/domain", headers=given, content=content), 400)

    @pytest.mark.parametrize("body", [[], "text", 1, None])
    def test_no_object_is_invalid_as_a_whole(
        self, client: Client, headers: dict[str, str], body: object
    ) -> None:
        given, content = {**headers, **AS_JSON}, json.dumps(body).encode()
        assert_invalid(client("POST", "/domain", headers=given, content=content), "")

    def test_missing_field_is_invalid(self, client: Client, headers: dict[str, str]) -> None:
        assert_invalid(client("POST", "/domain", {"comment": "x"}, headers=headers), "name")


@pytest.mark.parametrize(
    ("path", "required"),
    [
        ("/domain", ["name"]),
        ("/domain/a.test/manager", ["user_email"]),
        ("/alternative", ["domain", "name"]),
        ("/user", ["email", "raw_password"]),
        ("/alias", ["email"]),
        ("/relay", ["name"]),
        ("/token", ["email"]),
    ],
)
def test_each_missing_field_is_named(client: Client, path: str, required: list[str]) -> None:
    assert_invalid(client("POST", path, {}), *required)


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("/domain/a.test", "comment", 1),
        ("/domain/a.test", "comment", None),
        ("/domain/a.test", "max_users", "1"),
        ("/domain/a.test", "max_users", -2),
        ("/domain/a.test", "max_users", True),
        ("/domain/a.test", "max_aliases", -2),
        ("/domain/a.test", "max_quota_bytes", -1),
        ("/domain/a.test", "signup_enabled", "true"),
        ("/domain/a.test", "alternatives", "b.test"),
        ("/user/a@a.test", "quota_bytes", 1.5),
        ("/user/a@a.test", "enabled", 1),
        ("/user/a@a.test", "forward_destination", None),
        ("/alias/a@a.test", "wildcard", "yes"),
        ("/alias/a@a.test", "destination", "b@a.test"),
        ("/relay/a.test", "smtp", None),
        ("/token/1", "AuthorizedIP", "198.51.100.1"),
    ],
)
def test_wrong_type_null_and_below_the_minimum_are_invalid(
    client: Client, path: str, field: str, value: object
) -> None:
    assert_invalid(client("PATCH", path, {field: value}), field)


def test_an_item_of_a_list_is_named_by_its_place(client: Client) -> None:
    answer = client("PATCH", "/domain/a.test", {"alternatives": ["b.test", 1]})
    assert_invalid(answer, "alternatives.1")


def test_unknown_query_parameters_are_ignored(client: Client, names: Names) -> None:
    domain = names.domain()
    assert client.shown(f"/domain/{domain}?nothing=1")["name"] == domain


def test_reading_and_deleting_ignore_a_body(client: Client, domain: str) -> None:
    assert client("GET", f"/domain/{domain}", content=b"{").status_code == 200
    assert_message(client("DELETE", f"/domain/{domain}", content=b"{"), 200)
