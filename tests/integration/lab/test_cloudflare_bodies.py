"""No body or query makes the Cloudflare emulator answer outside of the envelope, or half do it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.cloudflare.account import EMAIL, GLOBAL_KEY, CloudflareAccount
from lab.cloudflare.app import create_app
from lab.cloudflare.records import TYPES
from lab.emulator_server import serve
from lab.memory import MemoryNameserver
from tests.support.plain_http import plain_client

from .cloudflare_client import A

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-1, 70000),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from(
            [
                "a",
                "@",
                "198.18.1.10",
                "b.example",
                "\ud800",
                "\0",
                "9" * 400,
                '"',
                "ü" * 300,
                "1e999",
            ]
        ),
    ),
    lambda children: st.one_of(
        st.lists(children, max_size=3), st.dictionaries(st.text(max_size=3), children, max_size=3)
    ),
    max_leaves=4,
)
FIELDS = """
    priority weight port target value flags tag usage selector matching_type certificate type
    key_tag algorithm protocol public_key digest digest_type fingerprint order preference service
    regex replacement lat_degrees lat_direction long_degrees long_direction altitude size
"""
RECORDS = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES) | VALUES},
    optional={
        "name": st.just("x") | VALUES,
        "content": VALUES,
        "data": st.dictionaries(st.sampled_from(FIELDS.split()), VALUES) | VALUES,
        **dict.fromkeys(
            ("ttl", "priority", "proxied", "comment", "tags", "settings", "id"), VALUES
        ),
    },
)
PARTS = st.dictionaries(
    st.sampled_from(["deletes", "patches", "puts", "posts"]), st.lists(RECORDS, max_size=3) | VALUES
)
ZONES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(["name", "account", "type", "paused", "vanity_name_servers"], VALUES),
        "plan": VALUES | st.fixed_dictionaries({"id": VALUES}),
    },
)
PARAMETERS = """
    name name.contains content.exact comment.present tag tag.exact tag_match match type search
    proxied order direction page per_page status account.id include_shadow_metadata
"""
QUERIES = st.dictionaries(
    st.sampled_from(PARAMETERS.split()),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    | st.sampled_from(["any", "asc", "true", "0", "1", "9" * 5000, "x:y"]),
    max_size=4,
)
MANY = settings(max_examples=150)


class Owner:
    """The owner of an account with one zone and one record, whose limits are not met."""

    def __init__(self) -> None:
        seconds = itertools.count()
        start = datetime(2026, 11, 28, tzinfo=UTC)
        self.account = CloudflareAccount(
            MemoryNameserver(), "t", lambda: start + timedelta(seconds=next(seconds)), 10**6
        )
        self.zone = self.account.create_zone("acme.example")["id"]
        self.record = self.account.create(self.zone, A)["id"]
        self._server = serve(create_app(self.account))
        headers = {"X-Auth-Email": EMAIL, "X-Auth-Key": GLOBAL_KEY}
        self._http = plain_client(f"{self._server.url}/client/v4", headers)

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> None:
        """Send a request; its answer is in the envelope, and a refusal changes nothing."""
        before = self.account.zones(), self.account.records(self.zone)
        target = path.format(zone=self.zone, record=self.record)
        content = None if method == "GET" else json.dumps(body).encode()
        answer = self._http.request(method, target, content=content, **more)
        envelope = answer.json()
        assert envelope["success"] is (answer.status_code == 200)
        assert answer.status_code < 500, envelope
        if answer.status_code != 200:
            assert envelope["errors"][0]["code"]
            assert (self.account.zones(), self.account.records(self.zone)) == before

    def close(self) -> None:
        self._http.close()
        self._server.stop()


@pytest.fixture(scope="module")
def owner() -> Iterator[Owner]:
    owner = Owner()
    yield owner
    owner.close()


@MANY
@given(body=RECORDS | VALUES)
def test_record_of_any_kind_is_answered(owner: Owner, body: Any) -> None:
    owner.call("POST", "/zones/{zone}/dns_records", body)
    for method in ("PUT", "PATCH"):
        owner.call(method, "/zones/{zone}/dns_records/{record}", body)


@MANY
@given(body=PARTS | VALUES)
def test_batch_of_any_kind_is_answered(owner: Owner, body: Any) -> None:
    owner.call("POST", "/zones/{zone}/dns_records/batch", body)


@MANY
@given(body=ZONES | VALUES)
def test_zone_of_any_kind_is_answered(owner: Owner, body: Any) -> None:
    if isinstance(body, dict):
        body.setdefault("account", {"id": owner.account.id})
    owner.call("POST", "/zones", body)
    owner.call("PATCH", "/zones/{zone}", body)


@MANY
@given(query=QUERIES)
def test_listing_of_any_kind_is_answered(owner: Owner, query: dict[str, str]) -> None:
    for path in ("/zones", "/zones/{zone}/dns_records"):
        owner.call("GET", path, params=query)
