"""The Cloudflare emulator behaves as documented and recorded: answers, codes, conflicts, listings.

Codes and fields are those of Cloudflare's documentation and of recorded traffic (dns-lexicon's and
cf-terraforming's recordings); where neither says anything, `lab/cloudflare/errors.py` says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from lab.cloudflare.account import EMAIL, GLOBAL_KEY, QUOTA, CloudflareAccount
from lab.cloudflare.app import create_app
from lab.cloudflare.limits import PRO
from lab.cloudflare.tokens import EVERYTHING, READ_ONLY, READ_WRITE, Permission
from lab.emulator_server import serve
from lab.memory import MemoryNameserver

from .conftest import TOKEN

Body = dict[str, Any]
A: Body = {"name": "a", "type": "A", "content": "198.18.1.10", "ttl": 300}
TXT: Body = {"name": "t", "type": "TXT", "content": "x", "ttl": 60}
KEY = {"algorithm": 4, "type": 2}
SERVICE = {"priority": 1, "target": "."}
UNKNOWN = "0" * 32


class Client:
    """Calls the API without a client's own opinions."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self._http = httpx2.Client(base_url=url, headers=headers, trust_env=False)

    def __call__(self, method: str, path: str, body: object = None, **query: str | int) -> Any:
        """Return the answer."""
        return self._http.request(method, path, json=body, params=query or None)

    def codes(self, method: str, path: str, body: object = None) -> tuple[int, list[int]]:
        """Return status and codes of a refusal, whose envelope is checked."""
        answer = self(method, path, body)
        envelope = answer.json()
        assert {**envelope, "errors": ...} == {
            "result": None,
            "success": False,
            "errors": ...,
            "messages": [],
        }
        assert "x-should-retry" not in answer.headers
        return answer.status_code, [error["code"] for error in envelope["errors"]]

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


@pytest.fixture
def account(cloudflare_account: CloudflareAccount) -> CloudflareAccount:
    return cloudflare_account


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    client = Client(url, {"Authorization": f"Bearer {TOKEN}"})
    yield client
    client.close()


@pytest.fixture
def owner(url: str) -> Iterator[Client]:
    """The account's owner, with the global key."""
    client = Client(url, {"X-Auth-Email": EMAIL, "X-Auth-Key": GLOBAL_KEY})
    yield client
    client.close()


@pytest.fixture
def records(zone: str) -> str:
    return f"/zones/{zone}/dns_records"


class TestAnswers:
    def test_record_has_the_recorded_fields_in_their_order(
        self, client: Client, records: str
    ) -> None:
        answer = client("POST", records, {**A, "data": None, "name": "A.Acme.Example"})
        envelope = answer.json()
        assert list(envelope) == ["result", "success", "errors", "messages"]
        record = envelope["result"]
        assert list(record.items()) == [
            ("id", record["id"]),
            ("name", "a.acme.example"),
            ("type", "A"),
            ("content", "198.18.1.10"),
            ("proxiable", True),
            ("proxied", False),
            ("ttl", 300),
            ("settings", {}),
            ("meta", {}),
            ("comment", None),
            ("tags", []),
            ("created_on", record["created_on"]),
            ("modified_on", record["created_on"]),
        ]
        assert len(record["id"]) == 32
        assert datetime.fromisoformat(record["created_on"])
        assert client("GET", f"{records}/{record['id']}").json()["result"] == record

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"type": "MX", "content": "mx.acme.example.", "priority": 5}, ["priority"]),
            ({"type": "CNAME", "content": "b.example"}, []),
            ({"type": "TXT", "content": "x", "comment": "pm:1"}, ["comment_modified_on"]),
            (
                {
                    "type": "SRV",
                    "name": "_sip._tcp",
                    "data": {"priority": 1, "weight": 2, "port": 3, "target": "s.acme.example"},
                },
                ["priority", "data"],
            ),
        ],
    )
    def test_fields_that_some_records_have_stand_at_their_place(
        self, client: Client, records: str, body: Body, expected: list[str]
    ) -> None:
        record = client("POST", records, {"name": "x", "ttl": 60, **body}).json()["result"]
        order = [
            "id", "name", "type", "content", "priority", "proxiable", "proxied", "ttl", "settings",
            "meta", "comment", "comment_modified_on", "tags", "data", "created_on", "modified_on",
        ]  # fmt: skip
        optional = {"priority", "comment_modified_on", "data"}
        assert list(record) == [key for key in order if key not in optional or key in expected]
        flattening = {"flatten_cname": False} if body["type"] == "CNAME" else {}
        assert record["settings"] == flattening

    def test_zone_has_the_recorded_fields_in_their_order(
        self, client: Client, account: CloudflareAccount, zone: str, nameserver: MemoryNameserver
    ) -> None:
        nameserver.delegate("acme.example")
        body = client("GET", f"/zones/{zone}").json()["result"]
        assert list(body.items()) == [
            ("id", zone),
            ("name", "acme.example"),
            ("status", "active"),
            ("paused", False),
            ("type", "full"),
            ("development_mode", 0),
            ("name_servers", body["name_servers"]),
            ("original_name_servers", None),
            ("original_registrar", None),
            ("original_dnshost", None),
            ("modified_on", body["created_on"]),
            ("created_on", body["created_on"]),
            ("activated_on", body["activated_on"]),
            ("vanity_name_servers", []),
            ("vanity_name_servers_ips", None),
            (
                "meta",
                {
                    "step": 4,
                    "custom_certificate_quota": 0,
                    "page_rule_quota": 3,
                    "phishing_detected": False,
                },
            ),
            ("owner", {"id": None, "type": "user", "email": None}),
            ("account", {"id": account.id, "name": account.name}),
            ("tenant", {"id": None, "name": None}),
            ("tenant_unit", {"id": None}),
            ("permissions", ["#dns_records:edit", "#dns_records:read", "#zone:read"]),
            (
                "plan",
                {
                    "id": "0feeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
                    "name": "Free Website",
                    "price": 0,
                    "currency": "USD",
                    "frequency": "",
                    "is_subscribed": False,
                    "can_subscribe": False,
                    "legacy_id": "free",
                    "legacy_discount": False,
                    "externally_managed": False,
                },
            ),
        ]
        assert len(body["name_servers"]) == 2

    def test_every_answer_has_the_headers_of_the_rate_limit(
        self, client: Client, records: str
    ) -> None:
        for answer in (client("GET", records), client("GET", "/nothing")):
            assert answer.headers["ratelimit"].startswith('"default";r=')
            assert answer.headers["ratelimit-policy"] == '"default";q=1200;w=300'
            assert {"retry-after", "retry-after-ms", "x-should-retry"}.isdisjoint(answer.headers)

    def test_token_is_verified(self, client: Client) -> None:
        assert client("GET", "/user/tokens/verify").json()["result"]["status"] == "active"

    def test_zone_of_an_idn_is_answered_in_unicode_and_its_records_in_punycode(
        self, client: Client, account: CloudflareAccount
    ) -> None:
        """cloudflare-go#347; nginx-ui#1914."""
        zone = account.create_zone("xn--bcher-kva.example")["id"]
        listed = client("GET", "/zones", name="bücher.example").json()["result"]
        assert [found["name"] for found in listed] == ["bücher.example"]
        assert client("GET", "/zones", name="xn--bcher-kva.example").json()["result"] == []
        record = client("POST", f"/zones/{zone}/dns_records", {**A, "name": "bücher.example"})
        assert record.json()["result"]["name"] == "xn--bcher-kva.example"


class TestTokens:
    @pytest.mark.parametrize(
        ("headers", "status", "codes"),
        [
            ({}, 400, [9106]),
            ({"Authorization": "Bearer a b"}, 400, [6003]),
            ({"Authorization": "Bearer wrong"}, 403, [9109]),
            ({"X-Auth-Email": EMAIL, "X-Auth-Key": "short"}, 400, [6003]),
            ({"X-Auth-Email": EMAIL, "X-Auth-Key": "f" * 37}, 403, [9103]),
        ],
    )
    def test_mistake_of_authentication_has_its_code(
        self, url: str, headers: dict[str, str], status: int, codes: list[int]
    ) -> None:
        client = Client(url, headers)
        assert client.codes("GET", "/zones") == (status, codes)
        client.close()

    def test_token_that_may_only_read_is_refused_at_its_first_write(
        self, url: str, account: CloudflareAccount, records: str
    ) -> None:
        """terraform-provider-cloudflare#913."""
        client = Client(url, {"Authorization": f"Bearer {account.add_token(READ_ONLY)}"})
        assert client("GET", "/zones").json()["result"][0]["permissions"] == sorted(READ_ONLY)
        assert client("GET", records).json()["success"]
        assert client.codes("POST", records, A) == (403, [10000])
        assert client.codes("POST", f"{records}/batch", {"posts": [A]}) == (403, [10000])
        assert account.records(records.split("/")[2]) == []
        client.close()

    def test_token_for_one_zone_sees_no_other(
        self, url: str, account: CloudflareAccount, records: str
    ) -> None:
        """octodns-cloudflare#60."""
        account.create_zone("beta.example")
        token = account.add_token(READ_WRITE, zones={"beta.example"})
        client = Client(url, {"Authorization": f"Bearer {token}"})
        listed = client("GET", "/zones").json()["result"]
        assert [zone["name"] for zone in listed] == ["beta.example"]
        assert client.codes("GET", records) == (403, [9109])
        assert client.codes("POST", records, A) == (403, [9109])
        client.close()

    def test_token_without_zone_read_finds_no_zone(
        self, url: str, account: CloudflareAccount, records: str
    ) -> None:
        """ddclient#834."""
        token = account.add_token({Permission.DNS_WRITE, Permission.DNS_READ})
        client = Client(url, {"Authorization": f"Bearer {token}"})
        assert client.codes("GET", "/zones") == (403, [10000])
        assert client("POST", records, A).status_code == 200
        client.close()

    def test_token_is_made_by_the_control(self, url: str) -> None:
        control = url.removesuffix("/client/v4") + "/_lab/tokens"
        wanted = {"permissions": ["#zone:read"], "zones": ["acme.example"]}
        made = httpx2.post(control, json=wanted, trust_env=False).json()
        client = Client(url, {"Authorization": f"Bearer {made['token']}"})
        assert client("GET", "/zones").status_code == 200
        client.close()
        refused = httpx2.post(control, json={"permissions": ["all"]}, trust_env=False)
        assert refused.status_code == 400


class TestRefusals:
    @pytest.mark.parametrize(
        ("method", "path", "body", "expected"),
        [
            ("GET", "/nothing", None, (400, [7003, 7000])),
            ("GET", "/zones/abc", None, (400, [7003, 7000])),
            ("GET", "{records}/abc", None, (400, [7003, 7000])),
            ("GET", "{records}/batch", None, (400, [7003, 7000])),
            ("DELETE", "{records}", None, (400, [7003, 7000])),
            ("OPTIONS", "{records}", None, (400, [7003, 7000])),
            ("GET", "/zones/{zone}/pagerules", None, (400, [7003, 7000])),
            ("GET", f"/zones/{UNKNOWN}", None, (404, [1001])),
            ("GET", f"{{records}}/{UNKNOWN}", None, (404, [81044])),
            ("DELETE", f"{{records}}/{UNKNOWN}", None, (404, [81044])),
            ("POST", "{records}", [], (400, [6007])),
            ("POST", "{records}/batch", {"posts": [1]}, (400, [6007])),
            ("GET", "{records}?per_page=x", None, (400, [1004])),
        ],
    )
    def test_request_that_is_not_understood_is_refused_in_the_envelope(
        self, client: Client, zone: str, records: str, method: str, path: str, body: Any,
        expected: tuple[int, list[int]],
    ) -> None:  # fmt: skip
        assert client.codes(method, path.format(zone=zone, records=records), body) == expected

    def test_body_that_is_no_json_is_refused_in_the_envelope(self, url: str, records: str) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = httpx2.post(f"{url}{records}", content=b"{", headers=headers, trust_env=False)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, 6007)

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (A, 81058),
            ({**A, "type": "CNAME", "content": "b.example"}, 81053),
            ({**A, "name": "alias"}, 81054),
            ({**A, "name": "alias", "type": "CNAME", "content": "c.example"}, 81053),
            ({**A, "type": "NS", "content": "ns1.b.example"}, 81056),
            ({**A, "name": "sub"}, 81056),
            ({**A, "content": "198.18.1"}, 9005),
            ({**A, "content": 7}, 9005),
            ({**A, "type": "AAAA"}, 9006),
            ({**A, "type": "MX", "content": "1 2", "priority": 1}, 9009),
            ({**A, "name": "x", "type": "CNAME", "content": "x.acme.example"}, 9039),
            ({**A, "ttl": 30}, 9021),
            ({**A, "ttl": "300"}, 9022),
            ({**A, "name": "x y"}, 9000),
            ({**A, "name": ""}, 9000),
            ({**A, "content": "10.1.2.3", "proxied": True}, 9041),
            ({**TXT, "proxied": True}, 9004),
            ({**TXT, "tags": ["a:b"]}, 9300),
            ({**TXT, "comment": "c" * 101}, 9313),
            ({**TXT, "comment": "a\nb"}, 9313),
            ({**TXT, "content": '"a" b"'}, 9010),
            ({**TXT, "content": '"a'}, 9010),
            ({**TXT, "content": "y" * 4081}, 9011),
            ({**TXT, "content": f'"{"y" * 254}" ' * 17}, 9011),
            ({**TXT, "name": "full", "content": "y" * 200}, 9011),
            ({**TXT, "type": "MX", "content": "mx.acme.example"}, 9101),
            ({**TXT, "type": "NONE"}, 9020),
            ({**TXT, "type": "CAA", "content": '0 issue "ca.example"'}, 9101),
            ({**TXT, "type": "SSHFP", "data": {**KEY, "fingerprint": "ab"}}, 9007),
            ({**TXT, "type": "HTTPS", "data": {**SERVICE, "value": "port=x"}}, 9007),
        ],
    )  # fmt: skip
    def test_record_that_is_refused_has_the_code_of_cloudflare(
        self, client: Client, account: CloudflareAccount, zone: str, records: str, body: Body,
        code: int,
    ) -> None:  # fmt: skip
        account.create(zone, A)
        account.create(zone, {**A, "name": "alias", "type": "CNAME", "content": "b.example"})
        account.create(zone, {**A, "name": "sub", "type": "NS", "content": "ns.b.example"})
        for letter in "ab":
            account.create(zone, {**TXT, "name": "full", "content": letter * 4000})
        before = account.records(zone)
        assert client.codes("POST", records, body) == (400, [code])
        assert account.records(zone) == before

    def test_type_of_a_record_cannot_be_changed(
        self, client: Client, account: CloudflareAccount, zone: str, records: str
    ) -> None:
        record = account.create(zone, A)
        other = {**TXT, "name": "a"}
        path = f"{records}/{record['id']}"
        for method, target, body in (
            ("PUT", path, other),
            ("PATCH", path, {"type": "TXT", "content": "x"}),
            ("POST", f"{records}/batch", {"puts": [{"id": record["id"], **other}]}),
        ):
            assert client.codes(method, target, body)[0] == 400
        assert account.records(zone) == [record]

    def test_zone_that_is_full_refuses_records_and_a_paid_plan_takes_more(
        self, client: Client, account: CloudflareAccount, owner: Client, zone: str, records: str
    ) -> None:
        for number in range(QUOTA):
            account.create(zone, {**TXT, "name": f"r{number}"})
        assert client.codes("POST", records, {**TXT, "name": "more"}) == (400, [81045])
        assert owner("PATCH", f"/zones/{zone}", {"plan": {"id": PRO.id}}).status_code == 200
        more = {**TXT, "name": "more", "comment": "c" * 500, "tags": ["b:2", "a"]}
        assert client("POST", records, more).json()["result"]["tags"] == ["a", "b:2"]

    def test_zone_that_was_made_before_the_quota_fell_takes_more(self) -> None:
        old = datetime(2024, 8, 31, tzinfo=UTC)
        account = CloudflareAccount(MemoryNameserver(), TOKEN, lambda: old)
        zone = account.create_zone("old.example")["id"]
        for number in range(QUOTA + 1):
            account.create(zone, {**TXT, "name": f"r{number}"})
        assert len(account.records(zone)) == QUOTA + 1


class TestServed:
    def test_records_of_one_name_reach_the_name_server_as_a_set(
        self, account: CloudflareAccount, zone: str, nameserver: MemoryNameserver
    ) -> None:
        account.create(zone, {**A, "name": "out"})
        second = account.create(zone, {**A, "name": "out", "content": "198.18.1.11"})
        long = "v=DKIM1; p=" + "A" * 400
        account.create(zone, {**TXT, "name": "@", "content": long, "ttl": 1})
        mx = {"name": "@", "type": "MX", "content": "mx1.acme.example", "priority": 10}
        account.create(zone, {**mx, "ttl": 60})
        answers = nameserver.zones["acme.example"]
        assert answers == {
            ("out.acme.example", "A"): (300, ("198.18.1.10", "198.18.1.11")),
            ("acme.example", "TXT"): (300, (long,)),
            ("acme.example", "MX"): (60, ("10 mx1.acme.example",)),
        }
        account.delete(zone, second["id"])
        assert answers["out.acme.example", "A"][1] == ("198.18.1.10",)

    def test_alias_at_the_apex_is_answered_by_addresses_beside_mail(
        self, account: CloudflareAccount, zone: str, nameserver: MemoryNameserver
    ) -> None:
        """dnscontrol#4181; cloudflare-docs `cname-flattening`."""
        account.create(zone, {**A, "name": "web"})
        account.create(zone, {**TXT, "name": "@"})
        account.create(zone, {**A, "name": "@", "type": "CNAME", "content": "web.acme.example"})
        answers = nameserver.zones["acme.example"]
        assert answers["acme.example", "A"] == (300, ("198.18.1.10",))
        assert ("acme.example", "TXT") in answers
        assert ("acme.example", "CNAME") not in answers

    @pytest.mark.parametrize("proxied", [True, False])
    def test_alias_below_the_apex_hides_other_records_unless_it_is_proxied(
        self, account: CloudflareAccount, zone: str, nameserver: MemoryNameserver, proxied: bool
    ) -> None:
        alias = {"name": "www", "type": "CNAME", "content": "web.example", "ttl": 1}
        account.create(zone, {**TXT, "name": "www"})
        account.create(zone, {**alias, "proxied": proxied})
        shown = {kind for _, kind in nameserver.zones["acme.example"]}
        assert shown == ({"A", "TXT"} if proxied else {"CNAME"})

    def test_records_below_a_delegation_are_kept_and_not_served(
        self, client: Client, account: CloudflareAccount, zone: str, records: str,
        nameserver: MemoryNameserver,
    ) -> None:  # fmt: skip
        """cloudflare-docs `shadowed-records`."""
        account.create(zone, {**TXT, "name": "x.sub"})
        glue = account.create(zone, {**A, "name": "ns.sub"})
        cut = account.create(
            zone, {**A, "name": "sub", "type": "NS", "content": "ns.sub.acme.example"}
        )
        assert set(nameserver.zones["acme.example"]) == {
            ("sub.acme.example", "NS"),
            (glue["name"], "A"),
        }
        listed = client("GET", records, type="TXT", include_shadow_metadata="true").json()["result"]
        assert [record["meta"] for record in listed] == [{"shadowed_by": "sub.acme.example"}]
        account.delete(zone, cut["id"])
        assert ("x.sub.acme.example", "TXT") in nameserver.zones["acme.example"]

    def test_text_is_stored_as_sent_and_served_joined(
        self, account: CloudflareAccount, zone: str, nameserver: MemoryNameserver
    ) -> None:
        """Short input comes back as it was sent, long input split (tf#6238)."""
        assert account.create(zone, {**TXT, "content": "v=x"})["content"] == "v=x"
        quoted = account.create(zone, {**TXT, "name": "q", "content": r'"say \"hi\"" " there"'})
        assert quoted["content"] == r'"say \"hi\"" " there"'
        long = account.create(zone, {**TXT, "name": "l", "content": '"' + "y" * 300 + '"'})
        assert long["content"] == f'"{"y" * 255}" "{"y" * 45}"'
        answers = nameserver.zones["acme.example"]
        assert answers["q.acme.example", "TXT"][1] == ('say "hi" there',)
        assert answers["l.acme.example", "TXT"][1] == ("y" * 300,)

    def test_address_is_stored_in_its_canonical_form(
        self, account: CloudflareAccount, zone: str
    ) -> None:
        ipv6 = {"name": "V6", "type": "AAAA", "content": "2001:DB8:0:0::1", "ttl": 60}
        record = account.create(zone, ipv6)
        assert (record["name"], record["content"]) == ("v6.acme.example", "2001:db8::1")


class TestEmailRouting:
    def test_its_records_are_locked_and_replace_the_apex_policy(
        self, client: Client, account: CloudflareAccount, owner: Client, zone: str, records: str
    ) -> None:
        account.create(zone, {**TXT, "name": "@", "content": "v=spf1 -all"})
        path = f"/zones/{zone}/email/routing/dns"
        assert client.codes("POST", path) == (403, [10000])
        assert owner("POST", path).status_code == 200
        own = client("GET", records).json()["result"]
        assert [record["type"] for record in own] == ["MX", "MX", "TXT", "TXT"]
        for record in own:
            assert record["meta"] == {"email_routing": True, "read_only": True}
            same = f"{records}/{record['id']}"
            assert client.codes("DELETE", same)[0] == 400
            assert client.codes("PATCH", same, {"comment": "mine"})[0] == 400
            assert (
                client.codes("POST", f"{records}/batch", {"deletes": [{"id": record["id"]}]})[0]
                == 400
            )
        owner("PATCH", path)
        assert client("DELETE", f"{records}/{own[0]['id']}").status_code == 200
        owner("DELETE", path)
        assert client("GET", records).json()["result"] == []

    def test_it_is_enabled_by_the_control(
        self, url: str, account: CloudflareAccount, zone: str
    ) -> None:
        control = url.removesuffix("/client/v4") + "/_lab/email-routing"
        for enabled in (True, False):
            body = {"zone": "acme.example", "enabled": enabled}
            assert httpx2.post(control, json=body, trust_env=False).status_code == 200
            assert bool(account.records(zone)) is enabled


class TestLists:
    @pytest.fixture
    def listed(self, account: CloudflareAccount, zone: str) -> None:
        account.create(zone, {**A, "comment": "pm:1", "proxied": True})
        account.create(zone, {**A, "name": "b", "ttl": 60})
        account.create(zone, {**TXT, "content": "one"})
        account.create(zone, {**TXT, "content": "two", "comment": "other"})

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, "a b two one"),
            ({"type": "txt"}, "two one"),
            ({"name": "B.acme.example"}, "b"),
            ({"name": "b"}, ""),
            ({"name.startswith": "b."}, "b"),
            ({"content.contains": "18.1"}, "a b"),
            ({"comment.present": ""}, "a two"),
            ({"comment.absent": ""}, "b one"),
            ({"comment.startswith": "pm:"}, "a"),
            ({"proxied": "true"}, "a"),
            ({"search": "TWO"}, "two"),
            ({"type": "TXT", "content": "two"}, "two"),
            ({"type": "TXT", "name": "b.acme.example", "match": "any"}, "b two one"),
            ({"order": "ttl", "type": "A"}, "a b"),
            ({"order": "name", "direction": "desc", "type": "A"}, "b a"),
            ({"tag.present": "x"}, ""),
        ],
    )
    @pytest.mark.usefixtures("listed")
    def test_listing_is_filtered_and_ordered(
        self, client: Client, records: str, query: dict[str, str], expected: str
    ) -> None:
        answer = client("GET", records, **query).json()
        names = [
            r["content"] if r["type"] == "TXT" else r["name"].partition(".")[0]
            for r in answer["result"]
        ]
        assert " ".join(names) == expected

    @pytest.mark.usefixtures("listed")
    def test_pages_end_with_an_empty_one(self, client: Client, records: str) -> None:
        pages = [client("GET", records, per_page=3, page=page).json() for page in (1, 2, 3)]
        assert [len(page["result"]) for page in pages] == [3, 1, 0]
        assert pages[2]["result_info"] == {
            "page": 3,
            "per_page": 3,
            "count": 0,
            "total_count": 4,
            "total_pages": 2,
        }
        empty = client("GET", records, name="none").json()
        assert (empty["result"], empty["result_info"]["total_pages"]) == ([], 1)
        assert empty["result_info"]["per_page"] == 100

    def test_zones_are_listed_by_name_and_account(
        self, client: Client, account: CloudflareAccount
    ) -> None:
        for name in ("b.example", "a.example"):
            account.create_zone(name)
        listed = client("GET", "/zones", per_page=100).json()
        assert [zone["name"] for zone in listed["result"]] == ["a.example", "b.example"]
        assert client("GET", "/zones").json()["result_info"]["per_page"] == 20
        for query, expected in (
            ({"account.id": account.id}, 2),
            ({"account.id": UNKNOWN}, 0),
            ({"status": "active"}, 0),
            ({"name": "a.example", "match": "all"}, 1),
        ):
            assert len(client("GET", "/zones", **query).json()["result"]) == expected

    def test_zone_is_exported_as_a_file(
        self, client: Client, account: CloudflareAccount, zone: str, records: str
    ) -> None:
        account.create(zone, A)
        account.create(zone, {**TXT, "content": "x" * 300})
        lines = client("GET", f"{records}/export").text.splitlines()
        assert "a.acme.example.\t300\tIN\tA\t198.18.1.10" in lines
        assert f't.acme.example.\t60\tIN\tTXT\t"{"x" * 255}" "{"x" * 45}"' in lines


class TestZones:
    def test_zone_is_created_changed_and_removed_by_its_owner(
        self,
        client: Client,
        owner: Client,
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
        nameserver.delegated.clear()
        assert client("GET", path).json()["result"]["status"] == "moved"
        assert owner("PATCH", path, {"paused": True}).json()["result"]["paused"] is True
        assert owner("DELETE", path).json()["result"] == {"id": created["id"]}
        assert client.codes("GET", path) == (403, [9109])


class TestBatch:
    def test_parts_are_done_in_the_documented_order(
        self, client: Client, account: CloudflareAccount, zone: str, records: str
    ) -> None:
        old, kept, put = (account.create(zone, {**A, "name": name}) for name in ("x", "k", "p"))
        body = {
            "posts": [{**A, "name": "x", "type": "CNAME", "content": "b.example"}],
            "patches": [{"id": kept["id"], "comment": "c"}],
            "puts": [{"id": put["id"], **A, "name": "p", "content": "198.18.1.99"}],
            "deletes": [{"id": old["id"]}],
        }
        done = client("POST", f"{records}/batch", body).json()["result"]
        assert list(done) == ["deletes", "patches", "puts", "posts"]
        assert done["deletes"] == [old]
        assert done["patches"][0]["comment"] == "c"
        assert done["puts"][0]["content"] == "198.18.1.99"
        assert {r["type"] for r in account.records(zone)} == {"A", "CNAME"}

    def test_one_refusal_changes_nothing(
        self, client: Client, account: CloudflareAccount, zone: str, records: str,
        nameserver: MemoryNameserver,
    ) -> None:  # fmt: skip
        kept = account.create(zone, {**TXT, "name": "kept"})
        body = {
            "deletes": [{"id": kept["id"]}],
            "posts": [{**TXT, "name": "new"}, {**A, "content": "nothing"}],
        }
        assert client.codes("POST", f"{records}/batch", body) == (400, [9005])
        assert account.records(zone) == [kept]
        assert set(nameserver.zones["acme.example"]) == {("kept.acme.example", "TXT")}

    def test_more_operations_than_the_plan_allows_are_refused(
        self, client: Client, account: CloudflareAccount, zone: str, records: str
    ) -> None:
        posts = [{**TXT, "name": f"r{number}"} for number in range(201)]
        assert client.codes("POST", f"{records}/batch", {"posts": posts})[0] == 400
        assert account.records(zone) == []


class TestTrouble:
    def test_user_who_asks_too_often_is_refused_for_five_minutes(self) -> None:
        now = datetime(2026, 11, 28, tzinfo=UTC)
        moments = [now]
        account = CloudflareAccount(MemoryNameserver(), TOKEN, lambda: moments[-1], requests=3)
        second = account.add_token(READ_ONLY)
        server = serve(create_app(account))
        clients = [
            Client(f"{server.url}/client/v4", {"Authorization": f"Bearer {token}"})
            for token in (TOKEN, second)
        ]
        answers = [client("GET", "/zones") for client in (*clients, clients[0], clients[1])]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[2].headers["ratelimit"] == '"default";r=0;t=300'
        assert answers[3].headers["retry-after"] == "300"
        assert answers[3].json()["errors"][0]["code"] == 10100
        moments.append(now + timedelta(seconds=299))
        assert clients[0]("GET", "/zones").headers["retry-after"] == "1"
        moments.append(now + timedelta(seconds=300))
        assert clients[0]("GET", "/zones").status_code == 200
        for client in clients:
            client.close()
        server.stop()

    @pytest.mark.parametrize(
        ("fault", "status", "code"),
        [
            ("server_error", 500, 10000),
            ("refused_with_200", 200, 10000),
            ("out_of_reach", 403, 9109),
            ("rate_limited", 429, 10100),
        ],
    )
    def test_failure_that_is_injected_changes_nothing_and_may_be_repeated_at_once(
        self, client: Client, account: CloudflareAccount, zone: str, records: str, fault: str,
        status: int, code: int,
    ) -> None:  # fmt: skip
        account.faults.inject(fault)
        answer = client("POST", records, A)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code)
        assert answer.json()["success"] is False
        assert answer.headers["retry-after-ms"] == "1"
        assert account.records(zone) == []

    @pytest.mark.parametrize("fault", ["read_error", "refused_with_200"])
    def test_read_that_fails_is_no_empty_list(
        self, client: Client, account: CloudflareAccount, records: str, fault: str
    ) -> None:
        account.faults.inject(fault)
        assert client("GET", records).json()["result"] is None

    def test_answer_that_is_lost_has_taken_effect(
        self, client: Client, account: CloudflareAccount, zone: str, records: str
    ) -> None:
        account.faults.inject("lost_answer")
        with pytest.raises(httpx2.TransportError):
            client("POST", records, A)
        assert len(account.records(zone)) == 1
        assert client.codes("POST", records, A) == (400, [81058])

    def test_refusal_in_the_old_form_has_its_cause_in_a_chain(
        self, client: Client, account: CloudflareAccount, records: str
    ) -> None:
        account.faults.inject("old_wrapper")
        [error] = client("POST", records, {**A, "content": "x"}).json()["errors"]
        assert error["code"] == 1004
        assert [cause["code"] for cause in error["error_chain"]] == [9005]
