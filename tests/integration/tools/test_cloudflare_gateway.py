"""The gateway before the Cloudflare plugin: what it lets pass, and what it makes of the rest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx2
import pytest
from starlette.responses import Response

from lab.cloudflare.account import CloudflareAccount
from lab.cloudflare.app import create_app
from lab.memory import MemoryNameserver
from tests.support.emulator import Emulator, served
from tests.support.faults import assert_shows
from tests.support.plain_http import plain_client
from tools.faults import ENGINE_MISSING
from tools.pulumi import cloudflare_gateway
from tools.pulumi.cloudflare_gateway import Gateway

TOKEN = "t" * 40
MARKED = {
    "name": "acme.example",
    "type": "TXT",
    "content": '"v=spf1 -all"',
    "ttl": 300,
    "proxied": False,
    "comment": "pm:k3f9a:acme:acme.example/SPF",
}
UNKNOWN = "0" * 32


class Through:
    """Calls the API through a gateway, as a plugin does."""

    def __init__(self, gateway: Gateway, token: str = TOKEN) -> None:
        server = cloudflare_gateway.serve(gateway)
        address = f"http://127.0.0.1:{server.server_address[1]}"
        self._http = plain_client(address, {"authorization": f"Bearer {token}"})
        self._close = [self._http.close, server.shutdown, server.server_close]

    def __call__(self, method: str, path: str, body: object = None) -> httpx2.Response:
        """Return the answer."""
        return self._http.request(method, path, json=body)

    def close(self) -> None:
        """End the gateway."""
        for close in self._close:
            close()


@pytest.fixture
def account() -> CloudflareAccount:
    account = CloudflareAccount(MemoryNameserver(), TOKEN)
    account.create_zone("acme.example")
    return account


@pytest.fixture
def records(account: CloudflareAccount) -> str:
    return f"/zones/{account.zones()[0]['id']}/dns_records"


@pytest.fixture(scope="module")
def behind() -> Iterator[tuple[Emulator, Through]]:
    """A server and the gateway before it, for all tests."""
    with served() as emulator:
        through = Through(Gateway(f"{emulator.url}/client/v4"))
        yield emulator, through
        through.close()


@pytest.fixture
def through(behind: tuple[Emulator, Through], account: CloudflareAccount) -> Through:
    emulator, through = behind
    emulator.app = create_app(account)
    return through


def message(answer: httpx2.Response) -> str:
    return str(answer.json()["errors"][0]["message"])


def test_request_and_answer_pass_unchanged(
    through: Through, account: CloudflareAccount, records: str
) -> None:
    made = through("POST", records, MARKED)
    assert made.status_code == 200
    record = account.records(records.split("/")[2])[0]
    assert made.json()["result"] == record
    path = f"{records}/{record['id']}"
    assert through("GET", path).json()["result"] == record
    changed = through("PUT", path, {**MARKED, "ttl": 600}).json()["result"]
    assert changed["ttl"] == 600
    assert through("GET", f"{records}?type=TXT").json()["result"] == [changed]
    assert through("GET", "/zones?name=acme.example").json()["result"] == account.zones()
    assert through("DELETE", path).json()["result"] == {"id": record["id"]}
    refused = through("POST", records, {**MARKED, "ttl": 5})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, 9021)
    assert refused.headers["ratelimit"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_refusal_with_status_200_is_a_failure_for_every_method(
    through: Through, account: CloudflareAccount, records: str, method: str
) -> None:
    record = account.create(records.split("/")[2], MARKED)
    path = records if method == "POST" else f"{records}/{record['id']}"
    account.faults.inject("refused_with_200")
    answer = through(method, path, None if method in ("GET", "DELETE") else MARKED)
    assert answer.status_code == 502
    assert message(answer) == "refused with status 200: 10000 Internal error"
    assert answer.headers["x-should-retry"] == "false"
    assert account.records(records.split("/")[2]) == [record]


def test_record_that_an_earlier_try_has_written_is_done(
    through: Through, account: CloudflareAccount, records: str
) -> None:
    account.faults.inject("lost_answer")
    lost = through("POST", records, MARKED)
    assert lost.status_code == 502
    assert message(lost).startswith("cannot reach http://127.0.0.1")
    assert "x-should-retry" not in lost.headers
    again = through("POST", records, MARKED)
    assert again.json()["result"] == account.records(records.split("/")[2])[0]


def test_conflict_whose_record_cannot_be_read_is_no_refusal(
    through: Through, account: CloudflareAccount, records: str
) -> None:
    account.create(records.split("/")[2], MARKED)
    account.faults.inject("read_error")
    assert through("POST", records, MARKED).status_code == 500
    assert through("POST", records, MARKED).status_code == 200


@pytest.mark.parametrize("existing", [
    {"comment": None}, {"comment": "pm:k3f9b:acme:acme.example/SPF"},
])  # fmt: skip
def test_record_of_another_stays_a_conflict(
    through: Through, account: CloudflareAccount, records: str, existing: dict[str, Any]
) -> None:
    account.create(records.split("/")[2], {**MARKED, **existing})
    answer = through("POST", records, MARKED)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, 81058)


def test_record_with_our_mark_and_another_value_is_not_done(
    through: Through, account: CloudflareAccount, records: str
) -> None:
    account.create(records.split("/")[2], {**MARKED, "ttl": 600})
    assert through("POST", records, MARKED).status_code == 400


def test_record_that_is_gone_is_gone_for_reading_and_deleted_for_a_deletion(
    through: Through, records: str
) -> None:
    path = f"{records}/{UNKNOWN}"
    assert through("GET", path).status_code == 404
    assert through("PUT", path, MARKED).status_code == 404
    assert through("DELETE", path).json()["result"] == {"id": UNKNOWN}


def test_zone_out_of_reach_is_not_gone(
    through: Through, account: CloudflareAccount, records: str
) -> None:
    account.faults.inject("out_of_reach")
    assert through("GET", f"{records}/{UNKNOWN}").status_code == 403


def test_gateway_with_a_token_answers_requests_with_its_placeholder_only(
    behind: tuple[Emulator, Through], account: CloudflareAccount, records: str
) -> None:
    emulator, _ = behind
    emulator.app = create_app(account)
    gateway = Gateway(f"{emulator.url}/client/v4", TOKEN)
    for token in (TOKEN, Gateway(emulator.url, TOKEN).placeholder, "x"):
        through = Through(gateway, token)
        refused = through("POST", records, MARKED)
        assert (refused.status_code, refused.json()["success"]) == (403, False)
        through.close()
    assert account.records(records.split("/")[2]) == []

    through = Through(gateway, gateway.placeholder)
    assert through("POST", records, MARKED).status_code == 200
    through.close()


def test_token_is_sent_to_cloudflare_only(behind: tuple[Emulator, Through]) -> None:
    emulator, _ = behind
    gateway = Gateway("http://127.0.0.1", TOKEN)
    allowed = {"authorization": f"Bearer {gateway.placeholder}"}
    elsewhere = emulator.url.removeprefix("http://127.0.0.1")
    for target in (f"{elsewhere}/zones", f"@127.0.0.1{elsewhere}/zones", ".example/zones"):
        assert gateway.answer("GET", target, b"", allowed).status == 403


def test_request_without_a_turn_is_repeated_later_and_sends_nothing(
    behind: tuple[Emulator, Through], records: str
) -> None:
    emulator, _ = behind
    gateway = Gateway(emulator.url, TOKEN, turn=lambda _: False)
    through = Through(gateway, gateway.placeholder)
    emulator.app = Response("reached", 200)
    answer = through("GET", records)
    through.close()
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
    assert "x-should-retry" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "120"}, 120),
        ({"retry-after": "120", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "soon"}, 300),
        ({}, 300),
    ],
)
def test_refusal_of_all_requests_is_passed_to_those_who_share_the_account(
    behind: tuple[Emulator, Through], records: str, headers: dict[str, str], seconds: float
) -> None:
    emulator, _ = behind
    held: list[float] = []
    gateway = Gateway(emulator.url, TOKEN, refused=held.append)
    through = Through(gateway, gateway.placeholder)
    emulator.app = Response("later", 429, headers)
    through("GET", records)
    emulator.app = Response("{}", 503, headers)
    through("GET", records)
    through.close()
    assert held == [seconds]


def test_turn_that_cannot_be_had_is_a_fault(records: str) -> None:
    def fails(within: float) -> bool:
        raise ENGINE_MISSING(version=str(within))

    gateway = Gateway("http://127.0.0.1:9", TOKEN, turn=fails)
    through = Through(gateway, gateway.placeholder)
    assert_shows(message(through("GET", records)), ENGINE_MISSING, version="10")
    through.close()


def test_token_that_is_no_header_is_not_shown(records: str) -> None:
    gateway = Gateway("http://127.0.0.1:9", "secret\ntoken")
    through = Through(gateway, gateway.placeholder)
    answer = through("POST", records, MARKED)
    through.close()
    assert answer.status_code == 403
    assert message(answer).endswith("set CLOUDFLARE_API_TOKEN")
    assert "secret" not in answer.text


def test_change_without_permission_is_refused_with_its_fault(
    behind: tuple[Emulator, Through], account: CloudflareAccount, records: str
) -> None:
    def refused() -> AbstractContextManager[None]:
        raise ENGINE_MISSING(version="1")

    emulator, _ = behind
    emulator.app = create_app(account)
    gateway = Gateway(f"{emulator.url}/client/v4", TOKEN, refused)
    through = Through(gateway, gateway.placeholder)
    assert through("GET", records).status_code == 200
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = through(method, records, MARKED)
        assert answer.status_code == 502
        assert_shows(message(answer), ENGINE_MISSING, version="1")
    through.close()
    assert account.records(records.split("/")[2]) == []


Raw = Callable[[int, bytes, dict[str, str]], Through]


@pytest.fixture
def raw(behind: tuple[Emulator, Through]) -> Raw:
    """A gateway to a server that answers every request alike."""

    def answer(status: int, body: bytes, headers: dict[str, str]) -> Through:
        emulator, through = behind
        emulator.app = Response(body, status, headers)
        return through

    return answer


def granted(result: Any) -> bytes:
    return json.dumps({"result": result, "success": True}).encode()


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (200, b"<html>", {}),
        (200, b"[]", {}),
        (200, granted(None), {}),
        (200, granted({}), {}),
        (200, granted({"id": UNKNOWN, "name": "a", "type": "", "content": "c"}), {}),
        (200, granted({"id": "f" * 32, "name": "a", "type": "A", "content": "c"}), {}),
        (200, b"[" * 100_000, {}),
        (404, b'{"errors": 5}', {}),
        (404, b'{"errors": [{"code": [81044], "error_chain": 1}, null]}', {}),
        (404, b'{"errors": [{"code": "81044"}]}', {}),
        (200, json.dumps({"result": {"id": "x"}}).encode(), {}),
        (204, b"", {}),
        (302, b"", {"location": "http://127.0.0.1:9/"}),
        (404, b"<html>", {}),
        (404, json.dumps({"errors": [{"code": 7003, "message": "no route"}]}).encode(), {}),
    ],
)
def test_answer_of_another_kind_is_neither_a_reading_nor_gone(
    raw: Raw, status: int, body: bytes, headers: dict[str, str]
) -> None:
    answer = raw(status, body, headers)("GET", f"/zones/{UNKNOWN}/dns_records/{UNKNOWN}")
    assert (answer.status_code, answer.json()["result"]) == (502, None)


@pytest.mark.parametrize(
    ("headers", "repeated"),
    [({"retry-after": "300"}, False), ({"retry-after": "5"}, True), ({}, False)],
)
def test_block_that_lasts_is_not_repeated(
    raw: Raw, headers: dict[str, str], repeated: bool
) -> None:
    body = json.dumps({"success": False, "errors": [{"code": 10100, "message": "x"}]}).encode()
    answer = raw(429, body, headers)("GET", "/zones")
    assert answer.status_code == 429
    assert ("x-should-retry" not in answer.headers) is repeated
