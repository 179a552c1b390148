"""Access with the API's token. What is wrong counts, so wrong tokens have networks of their own."""

from __future__ import annotations

import pytest

from .client import NO_TOKEN, Client, assert_plain_message

PATHS = ["/domain", "/user", "/alias", "/relay", "/token", "/alternative", "/tokenuser/a@a.test"]


@pytest.mark.parametrize("path", PATHS)
def test_without_a_token_is_401(client: Client, path: str) -> None:
    assert_plain_message(client("GET", path, headers=NO_TOKEN), 401)


def test_an_empty_header_is_401(client: Client) -> None:
    assert_plain_message(client("GET", "/domain", headers={"Authorization": ""}), 401)


@pytest.mark.parametrize("prefix", ["", "Bearer "])
def test_both_forms_of_the_header_are_accepted(client: Client, prefix: str) -> None:
    headers = {"Authorization": prefix + client.token}
    assert client("GET", "/relay", headers=headers).status_code == 200


@pytest.mark.parametrize("prefix", ["bearer ", "Bearer  ", "Token "])
@pytest.mark.locks
def test_other_forms_of_the_header_are_403(
    client: Client, prefix: str, client_address: str
) -> None:
    headers = {"Authorization": prefix + client.token, "X-Real-IP": client_address}
    assert_plain_message(client("GET", "/relay", headers=headers), 403)


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.locks
def test_the_token_comes_before_the_handler(
    client: Client, method: str, client_address: str
) -> None:
    headers = {"Authorization": "wrong", "X-Real-IP": client_address}
    body: dict[str, str] | None = {} if method == "PATCH" else None
    assert_plain_message(client(method, "/user/no-address", body, headers=headers), 403)


def test_an_address_that_is_none_is_500(client: Client) -> None:
    assert_plain_message(client("GET", "/relay", extra={"X-Real-IP": "rubbish"}), 500)


def test_a_token_outside_ascii_is_500(client: Client, client_address: str) -> None:
    headers = [(b"Authorization", "tök".encode()), (b"X-Real-IP", client_address.encode())]
    answer = client._http.request("GET", "/api/v1/relay", headers=headers)
    assert_plain_message(answer, 500)
