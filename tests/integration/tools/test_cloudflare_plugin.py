"""The Cloudflare stand-in against the emulator: its responses and its error messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import grpc
import pytest
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2 as proto

from lab.cloudflare.account import CloudflareAccount
from lab.cloudflare.app import create_app
from lab.cloudflare.tokens import EVERYTHING
from lab.emulator_server import RunningServer, serve
from lab.memory import MemoryNameserver
from tools.pulumi.cloudflare_plugin import RECORD, ZONE, CloudflareProvider

TOKEN = "t" * 40


class Aborted(Exception):
    """The call was aborted with these details."""


class Call:
    """Stands for the gRPC context of one call."""

    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        raise Aborted(details)


@pytest.fixture
def account() -> CloudflareAccount:
    account = CloudflareAccount(MemoryNameserver(), TOKEN)
    account.create_zone("acme.example")
    return account


@pytest.fixture
def emulator(
    account: CloudflareAccount, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningServer]:
    server = serve(create_app(account))
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", f"{server.url}/client/v4")
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
    monkeypatch.setenv("no_proxy", "*")
    yield server
    server.stop()


@pytest.fixture
def provider(emulator: RunningServer) -> CloudflareProvider:
    return CloudflareProvider()


@pytest.fixture
def host(account: CloudflareAccount) -> dict[str, Any]:
    """The inputs of an A record in the account's zone."""
    zone = account.zones()[0]["id"]
    return {
        "zoneId": zone,
        "name": "mx1.acme.example",
        "type": "A",
        "content": "192.0.2.1",
        "ttl": 300,
    }


def struct(value: dict[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(value, struct_pb2.Struct())


def plain(value: struct_pb2.Struct) -> dict[str, Any]:
    return dict(json_format.MessageToDict(value))


def look_up(provider: CloudflareProvider, token: str, **arguments: Any) -> dict[str, Any]:
    request = proto.InvokeRequest(tok=token, args=struct(arguments))
    return plain(getattr(provider.Invoke(request, Call()), "return"))


def create(provider: CloudflareProvider, kind: str, inputs: dict[str, Any]) -> Any:
    return provider.Create(proto.CreateRequest(type=kind, properties=struct(inputs)), Call())


def read(provider: CloudflareProvider, kind: str, identity: str, **properties: Any) -> Any:
    request = proto.ReadRequest(type=kind, id=identity, properties=struct(properties))
    return provider.Read(request, Call())


class TestLookUp:
    ONE, ALL = "cloudflare:index/getZone:getZone", "cloudflare:index/getZones:getZones"

    def test_zone_by_name_and_by_id_is_found(
        self, provider: CloudflareProvider, account: CloudflareAccount
    ) -> None:
        zone = account.zones()[0]["id"]
        by_name = look_up(provider, self.ONE, filter={"name": "acme.example"})
        assert by_name["zoneId"] == by_name["id"] == zone
        assert look_up(provider, self.ONE, zoneId=zone)["name"] == "acme.example"

    def test_zone_that_does_not_exist_is_named(self, provider: CloudflareProvider) -> None:
        expected = "cloudflare: look up zone none.example: failed to find exactly one result"
        with pytest.raises(Aborted, match=expected):
            look_up(provider, self.ONE, filter={"name": "none.example"})

    def test_listing_of_several_pages_is_read_whole(
        self, provider: CloudflareProvider, account: CloudflareAccount
    ) -> None:
        for number in range(25):
            account.create_zone(f"z{number}.example")
        assert len(look_up(provider, self.ALL)["results"]) == 26

    def test_function_that_is_not_offered_names_the_official_plugin(
        self, provider: CloudflareProvider
    ) -> None:
        with pytest.raises(Aborted, match="needs Pulumi's own Cloudflare plugin"):
            look_up(provider, "cloudflare:index/getUser:getUser")


class TestRecord:
    def test_record_that_is_gone_is_read_as_empty(
        self, provider: CloudflareProvider, account: CloudflareAccount, host: dict[str, Any]
    ) -> None:
        created = create(provider, RECORD, host)
        account.delete(host["zoneId"], created.id)
        assert read(provider, RECORD, created.id, **host).id == ""
        with pytest.raises(Aborted, match=r"delete A mx1\.acme\.example: 81044"):
            provider.Delete(
                proto.DeleteRequest(type=RECORD, id=created.id, properties=created.properties),
                Call(),
            )

    def test_import_without_the_zone_is_refused(self, provider: CloudflareProvider) -> None:
        with pytest.raises(Aborted, match="must be <zone id>/<record id>, not abc"):
            read(provider, RECORD, "abc")

    def test_preview_changes_nothing(
        self, provider: CloudflareProvider, account: CloudflareAccount, host: dict[str, Any]
    ) -> None:
        request = proto.CreateRequest(type=RECORD, properties=struct(host), preview=True)
        assert provider.Create(request, Call()).id == ""
        assert account.records(host["zoneId"]) == []

    def test_comment_that_is_removed_is_removed_at_cloudflare(
        self, provider: CloudflareProvider, account: CloudflareAccount, host: dict[str, Any]
    ) -> None:
        created = create(provider, RECORD, {**host, "comment": "pm:acme:host"})
        request = proto.UpdateRequest(
            type=RECORD,
            id=created.id,
            old_inputs=struct({**host, "comment": "pm:acme:host"}),
            news=struct(host),
        )
        provider.Update(request, Call())
        assert account.record(host["zoneId"], created.id)["comment"] is None


class TestZone:
    @pytest.fixture
    def provider(
        self, emulator: RunningServer, account: CloudflareAccount, monkeypatch: pytest.MonkeyPatch
    ) -> CloudflareProvider:
        """A provider whose token may edit zones."""
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", account.add_token(EVERYTHING))
        return CloudflareProvider()

    def test_zone_is_created_read_and_deleted(
        self, provider: CloudflareProvider, account: CloudflareAccount
    ) -> None:
        wanted = {"name": "new.example", "account": {"id": account.id}}
        created = create(provider, ZONE, wanted)
        assert plain(created.properties)["nameServers"]
        assert plain(read(provider, ZONE, created.id).inputs)["name"] == "new.example"
        provider.Delete(
            proto.DeleteRequest(type=ZONE, id=created.id, properties=created.properties), Call()
        )
        assert [zone["name"] for zone in account.zones()] == ["acme.example"]
        # Cloudflare does not tell a removed zone from one out of the token's reach.
        with pytest.raises(Aborted, match="9109 Unauthorized"):
            read(provider, ZONE, created.id)

    def test_zone_with_another_name_is_replaced(self, provider: CloudflareProvider) -> None:
        old, new = ({"name": name, "account": {"id": "a"}} for name in ("a.example", "b.example"))
        request = proto.DiffRequest(type=ZONE, old_inputs=struct(old), news=struct(new))
        assert list(provider.Diff(request, Call()).replaces) == ["name"]


class TestTrouble:
    def test_token_that_is_missing_is_reported_before_any_call(
        self, emulator: RunningServer, host: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("CLOUDFLARE_API_TOKEN")
        with pytest.raises(Aborted, match="no API token: set CLOUDFLARE_API_TOKEN"):
            create(CloudflareProvider(), RECORD, host)

    def test_api_that_cannot_be_reached_is_named(
        self, host: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CLOUDFLARE_BASE_URL", "http://127.0.0.1:9/client/v4")
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
        monkeypatch.setenv("no_proxy", "*")
        with pytest.raises(Aborted, match=r"cannot reach http://127\.0\.0\.1:9/client/v4"):
            create(CloudflareProvider(retries=0), RECORD, host)

    def test_token_that_fits_no_header_is_not_shown(
        self, emulator: RunningServer, host: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", f"{TOKEN}\nx")
        with pytest.raises(Aborted, match="API token contains invalid characters") as caught:
            create(CloudflareProvider(), RECORD, host)
        assert TOKEN not in str(caught.value)

    def test_failure_of_cloudflare_is_not_reported_as_a_wrong_token(
        self, provider: CloudflareProvider, account: CloudflareAccount, host: dict[str, Any]
    ) -> None:
        account.faults.inject("server_error", times=-1)
        with pytest.raises(Aborted) as caught:
            create(provider, RECORD, host)
        assert str(caught.value).endswith("10000 Internal error (HTTP 500)")

    def test_inputs_with_several_mistakes_report_all(self, provider: CloudflareProvider) -> None:
        wrong = struct({"zoneId": "z", "type": "MX", "ttl": 5})
        answer = provider.Check(proto.CheckRequest(type=RECORD, news=wrong), Call())
        assert [failure.property for failure in answer.failures] == [
            "name",
            "ttl",
            "priority",
            "content",
        ]

    def test_error_that_is_unexpected_is_one_line(self, provider: CloudflareProvider) -> None:
        with pytest.raises(
            Aborted, match=r"failed: KeyError 'zoneId' \(cloudflare_plugin.py:\d+\)"
        ):
            create(provider, RECORD, {"name": "x"})
