"""Clients that nobody here wrote work with the Cloudflare emulator as with the real service.

Cloudflare's SDK, octodns-cloudflare and dns-lexicon create, list, change and delete records of each
type that they know; where one cannot, its row says which document or recording has the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import cloudflare
import pytest
from lexicon._private.providers import cloudflare as lexicon
from lexicon.config import ConfigResolver
from lexicon.exceptions import AuthenticationError
from octodns.record import Record
from octodns.zone import Zone
from octodns_cloudflare import CloudflareProvider

from lab.cloudflare.account import CloudflareAccount
from lab.memory import MemoryNameserver

from .conftest import TOKEN

FINGERPRINT = "a" * 64
Data = dict[str, Any]
Change = tuple[Data, Data]
"""The fields of a record before and after a change."""


def changed(key: str, before: Data, **after: object) -> Change:
    """Return a change of what `key` holds."""
    return {key: before}, {key: {**before, **after}}


LOCATION = {
    "lat_degrees": 52, "lat_minutes": 22, "lat_seconds": 23.0, "lat_direction": "N",
    "long_degrees": 4, "long_minutes": 53, "long_seconds": 32.0, "long_direction": "E",
    "altitude": 2, "size": 1, "precision_horz": 10000, "precision_vert": 10,
}  # fmt: skip
AUTHORITY = {"flags": 0, "tag": "issue", "value": "ca.example"}
POINTER = {"order": 10, "preference": 20, "flags": "S", "service": "SIP+D2U"}
REPLACEMENT = "_sip._udp.acme.example."
SERVICE = {"priority": 1, "target": ".", "value": 'alpn="h2"'}
SERVER = {"priority": 1, "weight": 2, "port": 5060, "target": "sip.acme.example"}
ASSOCIATION = {"usage": 2, "selector": 1, "matching_type": 1, "certificate": FINGERPRINT}
KEY = "AwEAAQ=="
CERTIFICATE = {"type": 1, "key_tag": 1, "algorithm": 8, "certificate": KEY}
ZONE_KEY = {"flags": 256, "protocol": 3, "algorithm": 8, "public_key": KEY}
DIGEST = {"key_tag": 1, "algorithm": 8, "digest_type": 2, "digest": FINGERPRINT}
SDK: dict[str, Change] = {
    "A": ({"content": "198.18.1.1"}, {"content": "198.18.1.2"}),
    "AAAA": ({"content": "2001:db8::1"}, {"content": "2001:db8::2"}),
    "CAA": changed("data", AUTHORITY, flags=128),
    "CERT": changed("data", CERTIFICATE, key_tag=2),
    "CNAME": ({"content": "a.example"}, {"content": "b.example"}),
    "DNSKEY": changed("data", ZONE_KEY, flags=257),
    "DS": changed("data", DIGEST, key_tag=2),
    "HTTPS": changed("data", SERVICE, value='alpn="h3"'),
    "LOC": changed("data", LOCATION, altitude=3),
    "MX": ({"content": "mx.a.example", "priority": 5}, {"content": "mx.a.example", "priority": 6}),
    "NAPTR": changed("data", {**POINTER, "regex": "", "replacement": REPLACEMENT}, order=11),
    "NS": ({"content": "ns1.a.example"}, {"content": "ns2.a.example"}),
    "OPENPGPKEY": ({"content": KEY}, {"content": f"AAAA{KEY}"}),
    "PTR": ({"content": "a.example"}, {"content": "b.example"}),
    "SMIMEA": changed("data", ASSOCIATION, usage=3),
    "SRV": changed("data", SERVER, port=5061),
    "SSHFP": changed("data", {"algorithm": 3, "type": 2, "fingerprint": FINGERPRINT}, algorithm=4),
    "SVCB": changed(
        "data", {**SERVICE, "target": "s.acme.example.", "value": "port=1"}, priority=2
    ),
    "TLSA": changed("data", ASSOCIATION, usage=3),
    "TXT": ({"content": '"one"'}, {"content": '"two" "three"'}),
    "URI": (
        {"priority": 1, "data": {"weight": 2, "target": "https://a.example/"}},
        {"priority": 2, "data": {"weight": 2, "target": "https://a.example/"}},
    ),
}
CONTENTS = {
    "CAA": '0 issue "ca.example"',
    "CERT": f"1 1 8 {KEY}",
    "DNSKEY": f"256 3 8 {KEY}",
    "DS": f"1 8 2 {FINGERPRINT}",
    "HTTPS": '1 . alpn="h2"',
    "LOC": "52 22 23.000 N 4 53 32.000 E 2.00m 1.00m 10000.00m 10.00m",
    "NAPTR": '10 20 "S" "SIP+D2U" "" _sip._udp.acme.example.',
    "SMIMEA": f"2 1 1 {FINGERPRINT}",
    "SRV": "2 5060 sip.acme.example",
    "SSHFP": f"3 2 {FINGERPRINT}",
    "SVCB": "1 s.acme.example. port=1",
    "TLSA": f"2 1 1 {FINGERPRINT}",
    "URI": '2 "https://a.example/"',
}
"""The content that is computed from `data`; of HTTPS and SRV as recorded (cf-terraforming)."""


class TestOfficialSdk:
    @pytest.fixture
    def client(self, url: str) -> Iterator[cloudflare.Cloudflare]:
        with cloudflare.Cloudflare(api_token=TOKEN, base_url=url, max_retries=0) as client:
            yield client

    @pytest.mark.parametrize("kind", SDK)
    def test_record_is_created_listed_changed_and_deleted(
        self, client: cloudflare.Cloudflare, zone: str, nameserver: MemoryNameserver, kind: str
    ) -> None:
        first, second = SDK[kind]
        fixed: Any = {"zone_id": zone, "name": f"_x._tcp.{kind.lower()}", "type": kind, "ttl": 300}
        created: Any = client.dns.records.create(**fixed, **first)
        assert created.content == CONTENTS.get(kind, first.get("content"))
        listed: list[Any] = list(client.dns.records.list(zone_id=zone, type=kind))
        assert [record.id for record in listed] == [created.id]
        found: Any = client.dns.records.get(created.id, zone_id=zone)
        for key, value in first.get("data", {}).items():
            assert getattr(found.data, key) == value
        changed: Any = client.dns.records.update(created.id, **fixed, **second)
        assert changed.id == created.id
        [(served, _)] = nameserver.zones["acme.example"]
        assert served == f"_x._tcp.{kind.lower()}.acme.example"
        client.dns.records.edit(created.id, **{**fixed, "ttl": 600}, **second)
        client.dns.records.delete(created.id, zone_id=zone)
        assert nameserver.zones["acme.example"] == {}

    def test_zones_are_listed_to_their_last_page(
        self, client: cloudflare.Cloudflare, cloudflare_account: CloudflareAccount
    ) -> None:
        for number in range(25):
            cloudflare_account.create_zone(f"z{number}.example")
        assert len(list(client.zones.list())) == 25

    def test_batch_is_answered_by_its_four_parts(
        self, client: cloudflare.Cloudflare, zone: str
    ) -> None:
        post: Any = {"name": "a", "type": "A", "content": "198.18.1.1", "ttl": 60}
        done = client.dns.records.batch(zone_id=zone, posts=[post])
        assert done is not None
        assert [record.name for record in done.posts or ()] == ["a.acme.example"]

    def test_write_is_repeated_by_the_sdk_itself(
        self, url: str, zone: str, cloudflare_account: CloudflareAccount
    ) -> None:
        """So a lost answer becomes the refusal of an identical record (certbot#8994)."""
        cloudflare_account.faults.inject("lost_answer")
        with (
            cloudflare.Cloudflare(api_token=TOKEN, base_url=url, max_retries=2) as client,
            pytest.raises(cloudflare.BadRequestError) as caught,
        ):
            client.dns.records.create(
                zone_id=zone, name="a", type="A", content="198.18.1.1", ttl=60
            )
        assert caught.value.body["errors"][0]["code"] == 81058  # type: ignore[index]  # JSON


PARAMETERS = {"svcpriority": 1, "targetname": ".", "svcparams": {"alpn": ["h2"]}}
DANE = {"certificate_usage": 2, "selector": 1, "matching_type": 1}
PRINT = {"algorithm": 3, "fingerprint_type": 2, "fingerprint": FINGERPRINT}
OCTODNS: dict[str, Change] = {
    "A": ({"values": ["198.18.1.1", "198.18.1.2"]}, {"values": ["198.18.1.2", "198.18.1.3"]}),
    "AAAA": ({"value": "2001:db8::1"}, {"value": "2001:db8::2"}),
    "CAA": changed("value", AUTHORITY, value="other.example"),
    "CNAME": ({"value": "a.example."}, {"value": "b.example."}),
    "HTTPS": changed("value", PARAMETERS, svcparams={"alpn": ["h2", "h3"]}),
    "LOC": changed("value", LOCATION, altitude=3),
    "MX": changed("value", {"preference": 10, "exchange": "mx.acme.example."}, preference=20),
    "NAPTR": changed("value", {**POINTER, "regexp": "", "replacement": REPLACEMENT}, order=11),
    "NS": ({"value": "ns1.a.example."}, {"values": ["ns1.a.example.", "ns2.a.example."]}),
    "PTR": ({"value": "a.example."}, {"value": "b.example."}),
    "SRV": changed("value", {**SERVER, "target": "sip.acme.example."}, weight=3),
    "SSHFP": changed("value", PRINT, algorithm=4),
    "SVCB": changed("value", PARAMETERS, targetname="s.acme.example."),
    "TLSA": changed(
        "value", {**DANE, "certificate_association_data": FINGERPRINT}, certificate_usage=3
    ),
    "TXT": ({"values": ["v=spf1 -all", "x" * 300]}, {"values": ["v=spf1 ~all", "x" * 300]}),
}


@pytest.mark.filterwarnings("ignore:.*parse_rdata_text:DeprecationWarning:octodns.*")
class TestOctodns:
    @pytest.fixture
    def providers(self, url: str) -> Iterator[Callable[[], CloudflareProvider]]:
        made = []

        def provider() -> CloudflareProvider:
            """Return a provider that has listed nothing yet."""
            made.append(
                CloudflareProvider("lab", token=TOKEN, api_url=url, pagerules=False, retry_count=0)
            )
            return made[-1]

        yield provider
        for provider_ in made:
            provider_._sess.close()

    @pytest.mark.usefixtures("zone")
    def test_zone_is_planned_applied_changed_and_emptied(
        self, providers: Callable[[], CloudflareProvider], nameserver: MemoryNameserver
    ) -> None:
        for state in (0, 1):
            desired = desired_zone({kind: change[state] for kind, change in OCTODNS.items()})
            plan = providers().plan(desired)
            assert {change.record._type for change in plan.changes} == set(OCTODNS)
            providers().apply(plan)
            assert providers().plan(desired) is None
        assert {kind for _, kind in nameserver.zones["acme.example"]} == set(OCTODNS)
        empty = desired_zone({})
        providers().apply(providers().plan(empty))
        assert providers().plan(empty) is None
        assert nameserver.zones["acme.example"] == {}


def desired_zone(records: Mapping[str, Data]) -> Zone:
    """Return a zone of octodns with a name for each type."""
    zone = Zone("acme.example.", [])
    for kind, data in records.items():
        name = "_sip._tcp" if kind == "SRV" else kind.lower()
        zone.add_record(Record.new(zone, name, {"type": kind, "ttl": 300, **data}))
    return zone


BY_CONTENT = {
    "A": ("198.18.1.1", "198.18.1.2"),
    "AAAA": ("2001:db8::1", "2001:db8::2"),
    "CNAME": ("a.example", "b.example"),
    "NS": ("ns1.a.example", "ns2.a.example"),
    "PTR": ("a.example", "b.example"),
    "TXT": ("one", "two"),
    "MX": ("mx.a.example", "mx.b.example"),
}
BY_DATA = {
    "CAA": ("0 issue ca.example", CONTENTS["CAA"]),
    "HTTPS": ('1 . alpn="h2"', CONTENTS["HTTPS"]),
    "LOC": ("52 22 23.000 N 4 53 32.000 E 2m 1m 10000m 10m", CONTENTS["LOC"]),
    "NAPTR": ("10 20 S SIP+D2U !^.*$!sip:a@acme.example! .", ...),
    "SRV": ("1 2 5060 sip.acme.example", CONTENTS["SRV"]),
    "SSHFP": (CONTENTS["SSHFP"], CONTENTS["SSHFP"]),
    "SVCB": (CONTENTS["SVCB"], CONTENTS["SVCB"]),
    "TLSA": (CONTENTS["TLSA"], CONTENTS["TLSA"]),
}


class TestLexicon:
    @pytest.fixture
    def provider(self, url: str, zone: str) -> lexicon.Provider:
        del zone
        provider = lexicon_of("acme.example", url)
        provider.authenticate()
        return provider

    @pytest.mark.parametrize("kind", [*BY_CONTENT, *BY_DATA])
    def test_record_is_created_once_listed_and_deleted(
        self, provider: lexicon.Provider, kind: str
    ) -> None:
        given, expected = BY_DATA.get(kind) or (BY_CONTENT[kind][0], BY_CONTENT[kind][0])
        for _ in range(2):
            assert provider.create_record(kind, f"{kind}.acme.example.", given)
        [record] = provider.list_records(kind)
        assert (record["name"], record["ttl"]) == (f"{kind.lower()}.acme.example", 300)
        assert expected in (record["content"], ...)
        assert provider.delete_record(rtype=kind, name=kind.lower())
        assert provider.list_records() == []

    @pytest.mark.parametrize("kind", [kind for kind in BY_CONTENT if kind != "MX"])
    def test_record_is_changed(self, provider: lexicon.Provider, kind: str) -> None:
        before, after = BY_CONTENT[kind]
        provider.create_record(kind, "x", before)
        assert provider.update_record(None, kind, "x", after)
        assert [record["content"] for record in provider.list_records()] == [after]

    @pytest.mark.parametrize("kind", ["CAA", "MX", "TLSA"])
    def test_change_without_priority_or_data_is_refused(
        self, provider: lexicon.Provider, kind: str
    ) -> None:
        """Its update sends `content` alone, which Cloudflare does not take for these types.

        Its own comment says so of SSHFP (`_format_content`); the API's documentation has
        `priority` of MX and `data` of the others as required.
        """
        given = BY_DATA[kind][0] if kind in BY_DATA else BY_CONTENT[kind][0]
        provider.create_record(kind, "x", given)
        with pytest.raises(OSError, match="400 Client Error"):
            provider.update_record(None, kind, "x", given)

    def test_domain_that_is_not_in_the_account_is_refused(self, url: str) -> None:
        with pytest.raises(AuthenticationError):
            lexicon_of("none.example", url).authenticate()


def lexicon_of(domain: str, url: str) -> lexicon.Provider:
    """Return dns-lexicon's client of a domain, at the emulator."""
    options = {
        "domain": domain,
        "delegated": domain,
        "provider_name": "cloudflare",
        "ttl": 300,
        "priority": "10",
        "cloudflare": {"auth_token": TOKEN},
    }
    provider = lexicon.Provider(ConfigResolver().with_dict(options))
    provider.api_endpoint = url
    return provider
