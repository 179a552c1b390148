"""The Cloudflare emulator: zones of an account, and zone files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import cloudflare
import pytest

from lab.cloudflare.account import CloudflareAccount
from lab.cloudflare.limits import Limited
from lab.cloudflare.records import plain_content
from lab.cloudflare.tokens import EVERYTHING, READ_ONLY
from lab.cloudflare.zone import Record
from lab.memory import MemoryNameserver
from tests.support import plain_http

from .cloudflare_client import TXT, A, Body, Client
from .conftest import TOKEN

SERVICE = {"priority": 1, "weight": 2, "port": 5060, "target": "sip.acme.example"}
ENDPOINT = {"priority": 1, "target": ".", "value": 'alpn="h2,h3" port="8443"'}
ASSOCIATION = {"usage": 3, "selector": 1, "matching_type": 1, "certificate": "ab" * 32}
WRITTEN: list[Body] = [
    {**A, "comment": "pm:1; first", "proxied": True},
    {**A, "name": "@", "type": "AAAA", "content": "2001:db8::1"},
    {**A, "name": "@", "type": "MX", "content": "mx1.acme.example", "priority": 10},
    {**A, "name": "www", "type": "CNAME", "content": "a.acme.example"},
    {**A, "name": "sub", "type": "NS", "content": "ns1.other.example"},
    {**A, "name": "_sip._tcp", "type": "SRV", "data": SERVICE},
    {**A, "name": "@", "type": "CAA", "data": {"flags": 0, "tag": "issue", "value": "ca.example"}},
    {**A, "name": "h", "type": "HTTPS", "data": ENDPOINT},
    {**A, "name": "_443._tcp", "type": "TLSA", "data": ASSOCIATION},
    {**TXT, "name": "@", "content": "v=spf1 -all", "comment": "mine"},
    {**TXT, "name": "dkim", "content": "v=DKIM1; p=" + "A" * 400, "ttl": 1},
    {**TXT, "name": "u", "content": "ü" * 200},
    {**TXT, "name": "q", "content": r'"say \"hi\""'},
]


class TestZones:
    def test_zone_is_created_changed_and_removed_by_its_owner(
        self,
        client: Client,
        owner: Client,
        url: str,
        account: CloudflareAccount,
        nameserver: MemoryNameserver,
    ) -> None:
        wanted = {"name": "new.example", "account": {"id": account.id}, "type": "full"}
        assert client.codes("POST", "/zones", wanted) == (403, [10000])
        created = owner("POST", "/zones", wanted).json()["result"]
        assert (created["status"], created["permissions"]) == ("pending", sorted(EVERYTHING))
        path = f"/zones/{created['id']}"
        assert owner.codes("POST", "/zones", wanted) == (400, [1061])
        nameserver.delegate("new.example")
        assert owner("PUT", f"{path}/activation_check").json()["result"] == {"id": created["id"]}
        assert client("GET", path).json()["result"]["status"] == "active"
        control = url.removesuffix("/client/v4") + "/_lab/zones"
        left = {"name": "new.example", "delegated": False}
        assert plain_http.post(control, json=left).status_code == 200
        assert client("GET", path).json()["result"]["status"] == "moved"
        assert owner("PATCH", path, {"paused": True}).json()["result"]["paused"] is True
        assert owner("DELETE", path).json()["result"] == {"id": created["id"]}
        assert client.codes("GET", path) == (403, [9109])

    def test_zone_is_initialized_before_it_waits_for_its_delegation(
        self, owner: Client, account: CloudflareAccount, nameserver: MemoryNameserver
    ) -> None:
        account.faults.inject("initializing")
        wanted = {"name": "new.example", "account": {"id": account.id}}
        path = f"/zones/{owner('POST', '/zones', wanted).json()['result']['id']}"
        nameserver.delegate("new.example")
        seen = [owner("GET", path).json()["result"]["status"]]
        nameserver.undelegate("new.example")
        owner("PUT", f"{path}/activation_check")
        seen.append(owner("GET", path).json()["result"]["status"])
        nameserver.delegate("new.example")
        seen.append(owner("GET", path).json()["result"]["status"])
        assert seen == ["initializing", "pending", "active"]

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"name": "go.acme.example"}, 1116),
            ({"name": "shop.acme.co.uk"}, 1116),
            ({"name": "co.uk"}, 1099),
            ({"name": "example"}, 1099),
            ({"name": "*.acme.example"}, 1099),
            ({"name": "a b.example"}, 1099),
            ({"name": "beta.example", "type": "partial"}, 6007),
            ({"name": ["beta.example"]}, 6007),
            ({}, 6007),
        ],
    )
    def test_zone_is_a_registered_domain(
        self, owner: Client, account: CloudflareAccount, body: Body, code: int
    ) -> None:
        """external-dns#4796; cloudflare-docs `cannot-add-domain`."""
        body = {"account": {"id": account.id}, **body}
        assert owner.codes("POST", "/zones", body) == (400, [code])
        assert account.zones() == []

    def test_subdomain_is_a_zone_on_the_plan_enterprise(
        self, url: str, owner: Client, account: CloudflareAccount
    ) -> None:
        control = url.removesuffix("/client/v4") + "/_lab/zones"
        wanted = {"name": "go.acme.example"}
        refused = plain_http.post(control, json=wanted)
        assert refused.status_code == 400
        assert "not any subdomains" in refused.json()["error"]
        made = plain_http.post(control, json={**wanted, "enterprise": True})
        assert made.status_code == 200
        [zone] = account.zones()
        assert (zone["name"], zone["status"]) == ("go.acme.example", "active")
        records = f"/zones/{zone['id']}/dns_records"
        assert owner("POST", records, {**A, "ttl": 30}).json()["result"]["ttl"] == 30

    @pytest.mark.parametrize(
        "body",
        [
            {"paused": "no"},
            {"vanity_name_servers": 7},
            {"vanity_name_servers": [7]},
            {"type": "partial"},
            {"plan": "free"},
            {"plan": {"id": []}},
            {"plan": None},
        ],
    )
    def test_zone_is_not_changed_by_a_value_of_another_kind(
        self, owner: Client, account: CloudflareAccount, zone: str, body: Body
    ) -> None:
        before = account.zone(zone)
        assert owner.codes("PATCH", f"/zones/{zone}", body)[0] == 400
        assert account.zone(zone) == before


class TestFiles:
    @pytest.fixture
    def sdk(self, url: str) -> Iterator[cloudflare.Cloudflare]:
        with cloudflare.Cloudflare(api_token=TOKEN, base_url=url, max_retries=0) as client:
            yield client

    def test_file_that_is_exported_is_imported_as_the_same_records(
        self, sdk: cloudflare.Cloudflare, account: CloudflareAccount, zone: str
    ) -> None:
        made = [account.create(zone, body) for body in WRITTEN]
        file = sdk.dns.records.export(zone_id=zone)
        line = "a.acme.example.\t1\tIN\tA\t198.18.1.10 ; pm:1; first cf_tags=cf-proxied:true"
        assert line in file.splitlines()
        done: Any = sdk.dns.records.import_(zone_id=zone, file=file)
        assert (done.recs_added, done.total_records_parsed) == (0, len(WRITTEN))
        for record in made:
            account.delete(zone, record["id"])
        done = sdk.dns.records.import_(zone_id=zone, file=file)
        assert done.recs_added == len(WRITTEN)
        assert sorted(map(kept, account.records(zone))) == sorted(map(kept, made))

    def test_file_of_another_program_is_imported(
        self, sdk: cloudflare.Cloudflare, account: CloudflareAccount, zone: str
    ) -> None:
        file = """
$ORIGIN acme.example.
$TTL 1h
@       IN SOA ns.other.example. root.other.example. 1 2 3 4 5
@       IN NS  ns.other.example.
        IN MX  10 mx1
mx1     60 IN A 198.18.1.10
_dmarc  IN TXT ( "v=DMARC1;"
                 " p=none" ) ; a note
"""
        done: Any = sdk.dns.records.import_(zone_id=zone, file=file, proxied="true")
        assert (done.recs_added, done.total_records_parsed) == (3, 3)
        found = {record["name"]: record for record in account.records(zone)}
        assert (found["acme.example"]["content"], found["acme.example"]["ttl"]) == (
            "mx1.acme.example",
            3600,
        )
        assert found["mx1.acme.example"]["proxied"]
        assert found["_dmarc.acme.example"]["comment"] == "a note"

    @pytest.mark.parametrize(
        ("file", "code"),
        [
            ("a 60 IN A 198.18.1.10\nb 60 IN A 198.18.1", 9208),
            ("a 60 IN A 198.18.1.10\nb 60 IN NONSENSE x", 9208),
            ("a 60 IN A 198.18.1.10\nb 30 IN A 198.18.1.10", 9021),
            ("a 60 IN A 198.18.1.10\na 60 IN CNAME b.example.", 9208),
            ("a 60 IN A 198.18.1.10\nb 60 IN DNAME c.example.", 9020),
            pytest.param(f"; {'x' * 256 * 1024}", 9208, id="large"),
            ("\x00", 9208),
            ("( 60", 9208),
        ],
    )
    def test_file_that_cannot_be_kept_changes_nothing(
        self, url: str, account: CloudflareAccount, zone: str, file: str, code: int
    ) -> None:
        answer = plain_http.post(
            f"{url}/zones/{zone}/dns_records/import",
            files={"file": file.encode()},
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)
        assert account.records(zone) == []

    @pytest.mark.parametrize(
        "form",
        [
            {"data": {"proxied": "true"}},
            {"files": {"file": b""}, "data": {"proxied": "perhaps"}},
            {"files": {"file": b"\xff"}},
            {"json": {"file": ""}},
            {"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=b"}},
            {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
        ],
    )
    def test_form_that_is_wrong_is_refused_in_the_envelope(
        self, url: str, zone: str, form: Body
    ) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}", **form.pop("headers", {})}
        path = f"{url}/zones/{zone}/dns_records/import"
        answer = plain_http.post(path, **form, headers=headers)
        assert (answer.status_code, answer.json()["success"]) == (400, False)

    def test_fourth_file_within_a_minute_is_refused(self) -> None:
        moments = [datetime(2026, 11, 28, tzinfo=UTC)]
        account = CloudflareAccount(MemoryNameserver(), TOKEN, lambda: moments[-1])
        zone = account.create_zone("acme.example")["id"]
        for _ in range(3):
            account.import_file(zone, "", proxied=False)
        with pytest.raises(Limited) as refused:
            account.import_file(zone, "", proxied=False)
        assert (refused.value.status, refused.value.headers) == (429, {"retry-after": "60"})
        moments.append(moments[0] + timedelta(minutes=1))
        account.import_file(zone, "", proxied=False)

    def test_token_that_may_only_read_imports_nothing(
        self, url: str, account: CloudflareAccount, zone: str, records: str
    ) -> None:
        client = Client(url, {"Authorization": f"Bearer {account.add_token(READ_ONLY)}"})
        assert client.codes("POST", f"{records}/import") == (403, [10000])
        assert client("GET", f"{records}/export").status_code == 200
        client.close()


def kept(record: Record) -> str:
    """Return what a zone file says of a record."""
    fields = {
        key: value for key, value in record.items() if key != "id" and not key.endswith("_on")
    }
    return str({**fields, "content": plain_content(record)})
