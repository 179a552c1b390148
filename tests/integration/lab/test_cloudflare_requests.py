"""The Cloudflare emulator: rights of tokens, lists, batches, and failures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from lab.cloudflare.account import EMAIL, CloudflareAccount
from lab.cloudflare.app import create_app
from lab.cloudflare.limits import PRO
from lab.cloudflare.tokens import READ_ONLY, READ_WRITE, Permission
from lab.emulator_server import serve
from lab.memory import MemoryNameserver
from tests.support import plain_http

from .cloudflare_client import TXT, UNKNOWN, A, Client
from .conftest import TOKEN


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
        made = plain_http.post(control, json=wanted).json()
        client = Client(url, {"Authorization": f"Bearer {made['token']}"})
        assert client("GET", "/zones").status_code == 200
        client.close()
        refused = plain_http.post(control, json={"permissions": ["all"]})
        assert refused.status_code == 400


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
        assert list(pages[2]) == ["result", "success", "errors", "messages", "result_info"]
        assert list(pages[2]["result_info"].items()) == [
            ("page", 3), ("per_page", 3), ("count", 0), ("total_count", 4), ("total_pages", 2)
        ]  # fmt: skip
        empty = client("GET", records, name="none").json()
        assert (empty["result"], empty["result_info"]["total_pages"]) == ([], 1)
        assert empty["result_info"]["per_page"] == 100

    def test_zones_are_listed_by_name_and_account(
        self, client: Client, account: CloudflareAccount
    ) -> None:
        for name in ("b.example", "a.example"):
            account.create_zone(name)
        listed = client("GET", "/zones", per_page=100).json()
        assert list(listed) == ["result", "result_info", "success", "errors", "messages"]
        assert list(listed["result_info"].items()) == [
            ("page", 1), ("per_page", 100), ("total_pages", 1), ("count", 2), ("total_count", 2)
        ]  # fmt: skip
        assert [zone["name"] for zone in listed["result"]] == ["a.example", "b.example"]
        assert client("GET", "/zones").json()["result_info"]["per_page"] == 20
        for query, expected in (
            ({"account.id": account.id}, 2),
            ({"account.id": UNKNOWN}, 0),
            ({"status": "active"}, 0),
            ({"name": "a.example", "match": "all"}, 1),
        ):
            assert len(client("GET", "/zones", **query).json()["result"]) == expected

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"tag.present": "A"}, "ab ax"),
            ({"tag.absent": "b"}, "ax"),
            ({"tag": "a:1"}, "ab"),
            ({"tag.startswith": "a:x", "tag.present": "b"}, ""),
            ({"tag.startswith": "a:x", "tag.present": "b", "tag_match": "any"}, "ab ax"),
            ({"tag.present": "b", "name": "none", "match": "any"}, "ab"),
            ({"search": "ab.", "type": "A", "match": "any"}, "ab"),
        ],
    )
    def test_tags_match_apart_from_other_parameters(
        self, client: Client, account: CloudflareAccount, owner: Client, zone: str, records: str,
        query: dict[str, str], expected: str,
    ) -> None:  # fmt: skip
        owner("PATCH", f"/zones/{zone}", {"plan": {"id": PRO.id}})
        for name, tags in (("ab", ["a:1", "b"]), ("ax", ["a:xy"])):
            account.create(zone, {**A, "name": name, "tags": tags})
        found = client("GET", records, **query).json()["result"]
        assert " ".join(record["name"].partition(".")[0] for record in found) == expected

    @pytest.mark.parametrize(
        "query",
        [
            {"per_page": "5000001"},
            pytest.param({"per_page": "9" * 5000}, id="long"),
            {"page": "0"},
            {"match": "some"},
            {"tag_match": "some", "tag": "a"},
            {"direction": "up"},
            {"order": "id"},
            {"proxied": "perhaps"},
        ],
    )
    def test_listing_that_is_asked_for_wrongly_is_refused(
        self, client: Client, records: str, query: dict[str, str]
    ) -> None:
        assert client("GET", records, **query).json()["errors"][0]["code"] == 1004


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

    @pytest.mark.parametrize("value", [{}, "", 0, False, [None], ["x"], {"name": "a"}])
    @pytest.mark.parametrize("part", ["deletes", "patches", "puts", "posts"])
    def test_part_that_is_no_list_of_objects_is_refused(
        self, client: Client, records: str, part: str, value: object
    ) -> None:
        assert client.codes("POST", f"{records}/batch", {part: value}) == (400, [6007])


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
        message = answers[3].json()["errors"][0]["message"]
        assert message.startswith("More than 3 requests per 300 seconds reached.")
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
        assert ("retry-after" in answer.headers) is (status == 429)
        assert account.records(zone) == []

    def test_address_that_asks_too_fast_is_refused_for_a_second(self) -> None:
        moments = [datetime(2026, 11, 28, tzinfo=UTC)]
        account = CloudflareAccount(MemoryNameserver(), TOKEN, lambda: moments[-1])
        server = serve(create_app(account))
        client = Client(f"{server.url}/client/v4", {"Authorization": f"Bearer {TOKEN}"})
        statuses = [client("GET", "/zones").status_code for _ in range(201)]
        assert statuses == [*[200] * 200, 429]
        moments.append(moments[0] + timedelta(seconds=1))
        assert client("GET", "/zones").status_code == 200
        client.close()
        server.stop()

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_request_that_is_dropped_has_no_effect(
        self, client: Client, account: CloudflareAccount, zone: str, records: str, method: str
    ) -> None:
        account.faults.inject("dropped")
        with pytest.raises(httpx2.TransportError):
            client(method, records, A if method == "POST" else None)
        assert account.records(zone) == []
        assert client("POST", records, A).status_code == 200

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
