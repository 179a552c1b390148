"""Logins by token and password; the target requires tokens for mail."""

from __future__ import annotations

import pytest

from .client import Client, route
from .conftest import PASSWORD, Names
from .logins import RIGHT, WRONG, ask, login, web_login

pytestmark = pytest.mark.locks


@route("GET /internal/auth/email")
@pytest.mark.parametrize(
    ("protocol", "port"),
    [
        ("imap", "143"),
        ("pop3", "110"),
        ("smtp", "10025"),
        ("submission", "10025"),
        ("sieve", "4190"),
    ],
)
def test_a_token_logs_in_to_every_protocol(
    client: Client, names: Names, user: str, client_address: str, protocol: str, port: str
) -> None:
    token = names.token(user)["token"]
    answer = ask(
        client,
        Auth_User=user,
        Auth_Pass=token,
        Client_Ip=client_address,
        Auth_Protocol=protocol,
    )
    assert (answer.headers["Auth-Status"], answer.headers["Auth-Port"]) == ("OK", port)
    assert answer.headers["Auth-Server"]
    assert answer.headers["Auth-User"] == user


@pytest.mark.parametrize(
    ("protocol", "code"),
    [
        ("imap", "AUTHENTICATIONFAILED"),
        ("smtp", "535 5.7.8"),
        ("pop3", "-ERR "),
    ],
)
def test_a_wrong_password_has_the_code_of_the_protocol(
    client: Client, user: str, client_address: str, protocol: str, code: str
) -> None:
    answer = ask(
        client,
        Auth_User=user,
        Auth_Pass="wrong",
        Client_Ip=client_address,
        Auth_Protocol=protocol,
    )
    assert answer.headers["Auth-Error-Code"].startswith(code)


def test_the_right_password_is_refused_for_mail_and_accepted_for_the_web(
    client: Client, user: str, client_address: str
) -> None:
    assert login(client, user, PASSWORD, client_address) == WRONG
    assert web_login(client, user, PASSWORD, client_address) == 200


@route("GET /internal/auth/basic")
def test_the_web_refuses_a_wrong_password(client: Client, user: str, client_address: str) -> None:
    assert web_login(client, user, "wrong", client_address) == 401
    assert client.plain("GET", "/internal/auth/basic").status_code == 401


def test_a_token_logs_in_from_its_networks_only(
    client: Client, names: Names, user: str, client_address: str
) -> None:
    inside = f"{client_address.rpartition('.')[0]}.200"
    outside = f"230.{client_address.partition('.')[2]}"
    token = names.token(user, AuthorizedIP=[f"{client_address}/24"])["token"]
    assert login(client, user, token, inside) == RIGHT
    assert login(client, user, token, outside) == WRONG


def test_a_token_outlives_a_change_of_the_password(
    client: Client, names: Names, user: str, client_address: str
) -> None:
    token = names.token(user)["token"]
    client("PATCH", f"/user/{user}", {"raw_password": "another password"})
    assert login(client, user, token, client_address) == RIGHT
    assert web_login(client, user, "another password", client_address) == 200
    assert web_login(client, user, PASSWORD, client_address) == 401


def test_a_disabled_user_logs_in_by_nothing(
    client: Client, names: Names, user: str, client_address: str
) -> None:
    token = names.token(user)["token"]
    client("PATCH", f"/user/{user}", {"enabled": False})
    assert login(client, user, token, client_address) == WRONG
    assert web_login(client, user, PASSWORD, client_address) == 401


def test_an_empty_password_is_no_login(
    client: Client, names: Names, domain: str, client_address: str
) -> None:
    user = names.user(domain, raw_password="")
    assert login(client, user, "", client_address) == WRONG
    assert web_login(client, user, "", client_address) == 401


def test_a_protocol_can_be_switched_off(
    client: Client, names: Names, user: str, client_address: str
) -> None:
    token = names.token(user)["token"]
    client("PATCH", f"/user/{user}", {"enable_imap": False, "enable_pop": False})
    assert login(client, user, token, client_address, "imap") == WRONG
    assert login(client, user, token, client_address, "pop3") == WRONG
    assert login(client, user, token, client_address, "smtp") == RIGHT


def test_no_login_works_with_a_stray_token(
    client: Client, names: Names, user: str, client_address: str
) -> None:
    stray = names.token(user.upper())["token"]
    assert login(client, user, stray, client_address) == WRONG
    assert login(client, user.upper(), stray, client_address) == WRONG


def test_mail_from_outside_needs_no_login_and_there_is_none_on_port_25(
    client: Client, user: str, client_address: str
) -> None:
    smtp = {"Client_Ip": client_address, "Auth_Protocol": "smtp", "Auth_Port": "25"}
    incoming = ask(client, **smtp, Auth_Method="none")
    assert (incoming.headers["Auth-Status"], incoming.headers["Auth-Port"]) == ("OK", "25")
    refused = ask(client, **smtp, Auth_User=user, Auth_Pass=PASSWORD)
    assert refused.headers["Auth-Error-Code"] == "502 5.5.1"
