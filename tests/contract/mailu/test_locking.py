"""Wrong tokens and failed logins lock a network; each test locks one of its own."""

from __future__ import annotations

import pytest

from .client import Client, assert_plain_message
from .conftest import PASSWORD, Names
from .logins import BLOCKED, RIGHT, WRONG, login, web_login

pytestmark = pytest.mark.locks
ALLOWED = 5


def call(client: Client, address: str, token: str | None = None) -> int:
    """Call the API from an address."""
    headers = {"Authorization": token or client.token, "X-Real-IP": address}
    return client("GET", "/relay", headers=headers).status_code


def neighbour(address: str) -> str:
    """Return another address of the same network."""
    return f"{address.rpartition('.')[0]}.250"


def use_up(client: Client, address: str, times: int = ALLOWED) -> None:
    """Call with wrong tokens."""
    assert [call(client, address, "wrong") for _ in range(times)] == [403] * times


def test_after_five_wrong_tokens_the_right_one_is_429_in_the_whole_network(
    client: Client, client_address: str
) -> None:
    use_up(client, client_address)
    for address in (client_address, neighbour(client_address)):
        answer = client("GET", "/relay", extra={"X-Real-IP": address})
        assert_plain_message(answer, 429)
        assert "Retry-After" not in answer.headers
    assert call(client, client_address, "wrong") == 429


def test_networks_of_ipv6_have_48_bits(client: Client, client_address: str) -> None:
    third, fourth = client_address.split(".")[1:3]
    prefix = f"fd00:{int(third):x}:{int(fourth):x}"
    use_up(client, f"{prefix}:1::1")
    assert call(client, f"{prefix}:2::2") == 429
    assert call(client, f"fd01:{int(third):x}:{int(fourth):x}:1::1") == 200


def test_right_calls_do_not_reset_the_counter(client: Client, client_address: str) -> None:
    use_up(client, client_address, ALLOWED - 1)
    assert call(client, client_address) == 200
    use_up(client, client_address, 1)
    assert call(client, client_address) == 429


def test_without_a_token_a_blocked_network_gets_429_and_not_401(
    client: Client, client_address: str
) -> None:
    use_up(client, client_address)
    answer = client("GET", "/relay", headers={"X-Real-IP": client_address})
    assert_plain_message(answer, 429)


def test_calls_without_a_token_are_not_counted(client: Client, client_address: str) -> None:
    for _ in range(ALLOWED + 1):
        answer = client("GET", "/relay", headers={"X-Real-IP": client_address})
        assert_plain_message(answer, 401)
    assert call(client, client_address) == 200


def test_a_bad_body_is_answered_from_a_blocked_network_too_and_never_counted(
    client: Client, client_address: str
) -> None:
    headers = {"Authorization": "wrong", "X-Real-IP": client_address}
    for _ in range(ALLOWED + 1):
        assert_plain_message(client("POST", "/domain", headers=headers, content=b"{}"), 415)
    assert call(client, client_address) == 200
    use_up(client, client_address)
    assert_plain_message(client("POST", "/domain", headers=headers, content=b"{}"), 415)


def test_wrong_tokens_refuse_logins_by_password(
    client: Client, user: str, client_address: str
) -> None:
    use_up(client, client_address)
    assert login(client, user, PASSWORD, client_address) == BLOCKED
    assert web_login(client, user, PASSWORD, client_address) == 401


def test_a_right_mail_token_passes_and_frees_its_one_address(
    client: Client, names: Names, user: str, client_address: str
) -> None:
    token = names.token(user)["token"]
    use_up(client, client_address)
    assert login(client, user, token, client_address) == RIGHT
    assert call(client, client_address) == 200
    assert call(client, neighbour(client_address)) == 429
    use_up(client, client_address, ALLOWED + 1)
    assert call(client, client_address) == 200


def test_one_users_wrong_passwords_count_once(
    client: Client, user: str, client_address: str
) -> None:
    for attempt in range(ALLOWED + 2):
        assert login(client, user, f"wrong {attempt}", client_address) == WRONG
    assert call(client, client_address) == 200
    use_up(client, client_address, ALLOWED - 1)
    assert call(client, client_address) == 429


def test_five_users_lock_their_office_by_the_right_passwords(
    client: Client, names: Names, domain: str, client_address: str
) -> None:
    users = [names.user(domain, f"user{number}") for number in range(ALLOWED)]
    for user in users:
        assert login(client, user, PASSWORD, client_address) == WRONG
    assert call(client, client_address) == 429
    assert login(client, users[0], PASSWORD, client_address) == BLOCKED


def test_revoked_tokens_of_five_users_lock_it_too(
    client: Client, names: Names, domain: str, client_address: str
) -> None:
    for number in range(ALLOWED):
        user = names.user(domain, f"user{number}")
        made = names.token(user)
        client("DELETE", f"/token/{made['id']}")
        assert login(client, user, made["token"], client_address) == WRONG
    assert call(client, client_address) == 429


def test_users_that_do_not_exist_count_each(
    client: Client, domain: str, client_address: str
) -> None:
    for number in range(ALLOWED):
        assert login(client, f"nobody{number}@{domain}", "x", client_address) == WRONG
    assert call(client, client_address) == 429
