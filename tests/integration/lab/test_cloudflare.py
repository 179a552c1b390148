"""The Cloudflare emulator behaves as documented when Cloudflare's own SDK uses it."""

from __future__ import annotations

from collections.abc import Iterator

import cloudflare
import pytest

from lab.cloudflare.account import QUOTA, CloudflareAccount
from lab.cloudflare.app import create_app
from lab.emulator_server import serve
from lab.memory import MemoryNameserver

TOKEN = "lab-token-of-forty-characters-0123456789"


@pytest.fixture
def nameserver() -> MemoryNameserver:
    return MemoryNameserver()


@pytest.fixture
def account(nameserver: MemoryNameserver) -> CloudflareAccount:
    return CloudflareAccount(nameserver, TOKEN)


@pytest.fixture
def url(account: CloudflareAccount) -> Iterator[str]:
    server = serve(create_app(account))
    yield f"{server.url}/client/v4"
    server.stop()


@pytest.fixture
def client(url: str) -> Iterator[cloudflare.Cloudflare]:
    with cloudflare.Cloudflare(api_token=TOKEN, base_url=url, max_retries=0) as client:
        yield client


@pytest.fixture
def zone(account: CloudflareAccount) -> str:
    return str(account.create_zone("acme.example")["id"])


def code_of(error: cloudflare.APIStatusError) -> int:
    assert isinstance(error.body, dict)
    return int(error.body["errors"][0]["code"])


def test_zone_that_is_not_delegated_is_pending(
    client: cloudflare.Cloudflare, zone: str, nameserver: MemoryNameserver
) -> None:
    assert client.zones.get(zone_id=zone).status == "pending"
    nameserver.delegate("acme.example")
    assert client.zones.get(zone_id=zone).status == "active"


def test_records_of_one_name_reach_the_name_server_as_a_set(
    client: cloudflare.Cloudflare, zone: str, nameserver: MemoryNameserver
) -> None:
    create = client.dns.records.create
    create(zone_id=zone, name="out", type="A", content="198.18.1.10", ttl=300)
    second = create(zone_id=zone, name="out", type="A", content="198.18.1.11", ttl=300)
    long = "v=DKIM1; p=" + "A" * 400
    create(zone_id=zone, name="@", type="TXT", content=long, ttl=1)
    create(zone_id=zone, name="@", type="MX", content="mx1.acme.example", ttl=60, priority=10)
    answers = nameserver.zones["acme.example"]
    assert answers["out.acme.example", "A"] == (300, ("198.18.1.10", "198.18.1.11"))
    assert answers["acme.example", "TXT"] == (300, (long,))
    assert answers["acme.example", "MX"] == (60, ("10 mx1.acme.example",))
    assert second is not None
    client.dns.records.delete(second.id, zone_id=zone)
    assert nameserver.zones["acme.example"]["out.acme.example", "A"] == (300, ("198.18.1.10",))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "a", "type": "A", "content": "198.18.1.10", "ttl": 300}, 81058),
        ({"name": "a", "type": "CNAME", "content": "b.example", "ttl": 300}, 81053),
        ({"name": "alias", "type": "A", "content": "198.18.1.10", "ttl": 300}, 81054),
        ({"name": "x", "type": "A", "content": "198.18.1", "ttl": 300}, 9005),
        ({"name": "x", "type": "A", "content": "198.18.1.10", "ttl": 30}, 9021),
        ({"name": "x", "type": "TXT", "content": "x", "ttl": 60, "proxied": True}, 9041),
        ({"name": "x", "type": "TXT", "content": "x", "ttl": 60, "tags": ["a:b"]}, 9300),
        ({"name": "x y", "type": "TXT", "content": "x", "ttl": 60}, 9000),
        ({"name": "x", "type": "AAAA", "content": "198.18.1.10", "ttl": 60}, 9006),
        ({"name": "a", "type": "NS", "content": "ns1.b.example", "ttl": 60}, 81056),
        ({"name": "x", "type": "TXT", "content": '"a" b"', "ttl": 60}, 9010),
        ({"name": "x", "type": "TXT", "content": '"a', "ttl": 60}, 9010),
        ({"name": "x", "type": "TXT", "content": "y" * 4097, "ttl": 60}, 9011),
        ({"name": "x", "type": "TXT", "content": f'"{"y" * 255}" ' * 17, "ttl": 60}, 9011),
        ({"name": "full", "type": "TXT", "content": "y" * 200, "ttl": 60}, 9011),
    ],
)
def test_request_that_is_refused_has_the_code_of_cloudflare(
    client: cloudflare.Cloudflare,
    account: CloudflareAccount,
    zone: str,
    body: dict[str, object],
    code: int,
) -> None:
    account.create(zone, {"name": "a", "type": "A", "content": "198.18.1.10", "ttl": 300})
    for letter in "ab":
        account.create(zone, {"name": "full", "type": "TXT", "content": letter * 4000, "ttl": 60})
    account.create(zone, {"name": "alias", "type": "CNAME", "content": "b.example", "ttl": 300})
    with pytest.raises(cloudflare.BadRequestError) as caught:
        client.post(f"/zones/{zone}/dns_records", body=body, cast_to=object)
    assert code_of(caught.value) == code


def test_record_is_stored_normalised_and_answered_unquoted(
    account: CloudflareAccount, zone: str, nameserver: MemoryNameserver
) -> None:
    ipv6 = {"name": "V6", "type": "AAAA", "content": "2001:DB8:0:0::1", "ttl": 60}
    assert account.create(zone, ipv6)["content"] == "2001:db8::1"
    quoted = {"name": "q", "type": "TXT", "content": r'"say \"hi\"" " there"', "ttl": 60}
    account.create(zone, quoted)
    answers = nameserver.zones["acme.example"]
    assert answers["q.acme.example", "TXT"] == (60, ('say "hi" there',))
    assert ("v6.acme.example", "AAAA") in answers


@pytest.mark.parametrize(("token", "code"), [("wrong", 9109), ("a b", 6003)])
def test_token_that_is_wrong_differs_from_a_malformed_one(url: str, token: str, code: int) -> None:
    with (
        cloudflare.Cloudflare(api_token=token, base_url=url, max_retries=0) as client,
        pytest.raises(cloudflare.APIStatusError) as caught,
    ):
        client.zones.list()
    assert code_of(caught.value) == code


def test_listing_past_its_last_page_is_empty(
    client: cloudflare.Cloudflare, account: CloudflareAccount
) -> None:
    for number in range(25):
        account.create_zone(f"z{number}.example")
    assert len(list(client.zones.list())) == 25


def test_zone_that_is_full_refuses_records(
    client: cloudflare.Cloudflare, account: CloudflareAccount, zone: str
) -> None:
    for number in range(QUOTA):
        account.create(zone, {"name": f"r{number}", "type": "TXT", "content": "x", "ttl": 60})
    with pytest.raises(cloudflare.BadRequestError) as caught:
        client.dns.records.create(zone_id=zone, name="more", type="TXT", content="x", ttl=60)
    assert code_of(caught.value) == 81045


def test_batch_with_one_refusal_changes_nothing(
    client: cloudflare.Cloudflare,
    account: CloudflareAccount,
    zone: str,
    nameserver: MemoryNameserver,
) -> None:
    kept = account.create(zone, {"name": "kept", "type": "TXT", "content": "x", "ttl": 60})
    good = {"name": "new", "type": "TXT", "content": "x", "ttl": 60}
    bad = {"name": "bad", "type": "A", "content": "nothing", "ttl": 60}
    body = {"deletes": [{"id": kept["id"]}], "posts": [good, bad]}
    with pytest.raises(cloudflare.BadRequestError):
        client.post(f"/zones/{zone}/dns_records/batch", body=body, cast_to=object)
    assert [record["name"] for record in account.records(zone)] == ["kept.acme.example"]
    assert set(nameserver.zones["acme.example"]) == {("kept.acme.example", "TXT")}


def test_answer_that_is_lost_has_taken_effect(
    client: cloudflare.Cloudflare, account: CloudflareAccount, zone: str
) -> None:
    account.faults.inject("lost_answer")
    with pytest.raises(cloudflare.APIStatusError):
        client.dns.records.create(zone_id=zone, name="x", type="TXT", content="x", ttl=60)
    assert len(account.records(zone)) == 1
