"""The Cloudflare emulator behaves as documented and recorded: answers, codes, conflicts, listings.

Codes and fields are those of Cloudflare's documentation and of recorded traffic (dns-lexicon's and
cf-terraforming's recordings); where neither says anything, `lab/cloudflare/errors.py` says so.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from lab.cloudflare.account import QUOTA, CloudflareAccount
from lab.cloudflare.limits import PRO
from lab.memory import MemoryNameserver
from tests.support import plain_http

from .cloudflare_client import KEY, SERVICE, TXT, UNKNOWN, A, Body, Client
from .conftest import TOKEN


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
        answer = plain_http.post(f"{url}{records}", content=b"{", headers=headers)
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
            ({**A, "type": "MX", "content": "198.18.1.10", "priority": 1}, 9009),
            ({**A, "name": "x", "type": "CNAME", "content": "198.18.1.10"}, 9007),
            ({**A, "name": "x", "type": "CNAME", "content": "https://b.example"}, 9007),
            ({**A, "settings": {"flatten_cname": 1}}, 6007),
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
            ({**TXT, "content": r'"\256"'}, 9007),
            ({**TXT, "content": r'"\195"'}, 9007),
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
        account.create(zone, {**TXT, "name": "u", "content": r'"\195\188ber \065"'})
        answers = nameserver.zones["acme.example"]
        assert answers["u.acme.example", "TXT"][1] == ("über A",)
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
            assert plain_http.post(control, json=body).status_code == 200
            assert bool(account.records(zone)) is enabled
