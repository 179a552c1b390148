"""Responses to the engine without provider calls: mistakes, differences, replacements."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, struct_pb2
from google.rpc import status_pb2
from pulumi.runtime.proto import provider_pb2

from hostwinds.faults import (
    DEFECT,
    NOT_ACTIVE,
    POINTER_IMPORT,
    PROVISIONING,
    VANISHED,
    Unfinished,
)
from hostwinds.models import Instance
from hostwinds.provider.resources import RESOURCES
from hostwinds.provider.server import UNKNOWN, HostwindsProvider
from hostwinds.unfinished import not_active, provisioning
from tests.support.faults import assert_shows, fault_shown

SERVER = {
    "serverName": "acme-mx1-3f9a2c",
    "cpu": 1,
    "ramMb": 2048,
    "diskGb": 50,
    "location": "Seattle",
    "image": "Debian 13",
    "billingCycle": "monthly",
    "firewallProfile": "penguin-mail",
    "inbound": ["22/tcp", "25/tcp"],
}
POINTER = {"serviceId": 1001, "address": "198.18.1.10", "hostname": "mx1.acme.example"}

SERVICES: Any = None
"""A placeholder in calls that must not reach the provider."""


class Aborted(Exception):
    """The call ended with an error."""


class Call:
    """The context of one gRPC call."""

    def __init__(self) -> None:
        self.code: Any = None
        self.message = ""
        self.trailing: tuple[tuple[str, bytes], ...] = ()

    def set_trailing_metadata(self, pairs: Any) -> None:
        self.trailing = tuple(pairs)

    def abort(self, code: Any, message: str) -> None:
        self.code, self.message = code, message
        raise Aborted


def failing(error: Exception) -> HostwindsProvider:
    """Return a provider whose connection fails."""

    def connect(urn: str) -> Any:
        raise error

    return HostwindsProvider(connect, lambda: None)


PROVIDER = failing(AssertionError("a check must not connect"))


def urn(kind: str) -> str:
    return f"urn:pulumi:acme::penguin::hostwinds:index:{kind}::mx1"


def struct(values: dict[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(values, struct_pb2.Struct())


def checked(kind: str, news: dict[str, Any], olds: dict[str, Any] | None = None) -> Any:
    request = provider_pb2.CheckRequest(urn=urn(kind), news=struct(news), olds=struct(olds or {}))
    return PROVIDER.Check(request, Call())


def check(kind: str, news: dict[str, Any], olds: dict[str, Any] | None = None) -> dict[str, str]:
    return {f.property: f.reason for f in checked(kind, news, olds).failures}


def diff(
    kind: str, state: dict[str, Any], inputs: dict[str, Any], news: dict[str, Any]
) -> provider_pb2.DiffResponse:
    request = provider_pb2.DiffRequest(
        urn=urn(kind), olds=struct(state), old_inputs=struct(inputs), news=struct(news)
    )
    response: provider_pb2.DiffResponse = PROVIDER.Diff(request, Call())
    return response


def test_valid_inputs_are_accepted() -> None:
    assert check("Instance", SERVER) == {}
    assert check("ReverseDns", POINTER) == {}


def test_mistakes_of_every_kind_are_reported_at_once() -> None:
    news = {
        **SERVER,
        "serverName": "Acme",
        "cpu": "one",
        "ramMb": True,
        "diskGb": 0,
        "colour": "red",
        "firewallProfile": "",
        "inbound": ["smtp"],
    }
    del news["location"]
    failures = check("Instance", {**news, "billingCycle": "daily"})
    assert set(failures) == {
        "serverName",
        "cpu",
        "ramMb",
        "diskGb",
        "location",
        "billingCycle",
        "colour",
        "firewallProfile",
        "inbound",
    }


@pytest.mark.parametrize("ports", ["22/tcp", ["22"], ["0/tcp"], [22], ["22/sctp"]])
def test_ports_are_a_list_with_protocols(ports: object) -> None:
    firewall = {"serviceId": 1001, "profile": "penguin-mail", "outbound": ["53/udp"]}
    assert set(check("Firewall", {**firewall, "inbound": ports})) == {"inbound"}
    assert check("Firewall", {**firewall, "inbound": ["22/tcp"]}) == {}


def test_unknown_value_hides_no_other_mistake() -> None:
    failures = check("ReverseDns", {**POINTER, "address": UNKNOWN, "hostname": "mx1"})
    assert set(failures) == {"hostname"}


@pytest.mark.parametrize("key", ["cpu", "ramMb", "diskGb", "location"])
def test_replacement_needs_another_name(key: str) -> None:
    """Otherwise the replacement would adopt the old server, which the engine then ends."""
    changed = {**SERVER, key: "Dallas" if isinstance(SERVER[key], str) else 4096}
    failures = check("Instance", changed, SERVER)
    assert set(failures) == {"serverName"}
    assert key in failures["serverName"]
    assert check("Instance", {**changed, "serverName": "acme-mx1-3f9a2c-2"}, SERVER) == {}
    assert check("Instance", {**SERVER, "billingCycle": "annually"}, SERVER) == {}


def test_server_keeps_the_system_that_it_was_bought_with() -> None:
    """A new default must not end the servers that run, or the runs that would change them."""
    news = {**SERVER, "image": "Debian 14", "billingCycle": "annually"}
    kept = checked("Instance", news, SERVER)
    assert list(kept.failures) == []
    assert kept.inputs["image"] == SERVER["image"]
    assert kept.inputs["billingCycle"] == "annually"
    replacement = checked("Instance", {**news, "serverName": "acme-mx1-3f9a2c-2"}, SERVER)
    assert replacement.inputs["image"] == "Debian 14"


def test_server_stays_where_it_is_when_no_location_is_asked_for_any_more() -> None:
    kept = checked("Instance", {**SERVER, "location": ""}, SERVER)
    assert list(kept.failures) == []
    assert kept.inputs["location"] == "Seattle"
    [failure] = checked("Instance", {**SERVER, "location": ""}).failures
    assert (failure.property, failure.reason) == ("location", "is required")


def test_change_of_name_replaces_and_one_of_the_cycle_does_not() -> None:
    state = {**SERVER, "serviceId": 1001, "mainIp": "198.18.1.10"}
    same = diff("Instance", state, SERVER, SERVER)
    assert same.changes == provider_pb2.DiffResponse.DIFF_NONE
    other = diff("Instance", state, SERVER, {**SERVER, "serverName": "b"})
    assert list(other.replaces) == ["serverName"]
    assert not other.deleteBeforeReplace
    cycle = diff("Instance", state, SERVER, {**SERVER, "billingCycle": "annually"})
    assert (list(cycle.diffs), list(cycle.replaces)) == (["billingCycle"], [])


def test_pending_address_is_updated_and_unknown_meanwhile() -> None:
    inputs = {"serviceId": 1001, "name": "mx1-2"}
    state = {**inputs, "address": ""}
    response = diff("SecondaryAddress", state, inputs, inputs)
    assert response.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert list(response.replaces) == []
    request = provider_pb2.UpdateRequest(
        urn=urn("SecondaryAddress"), olds=struct(state), news=struct(inputs), preview=True
    )
    properties = PROVIDER.Update(request, Call()).properties
    assert properties["address"] == UNKNOWN
    assigned = {**state, "address": "198.18.1.11"}
    assert diff("SecondaryAddress", assigned, inputs, inputs).changes == (
        provider_pb2.DiffResponse.DIFF_NONE
    )


def test_address_is_released_before_its_replacement_is_requested() -> None:
    inputs = {"serviceId": 1001, "name": "mx1-2"}
    state = {**inputs, "address": "198.18.1.11"}
    response = diff("SecondaryAddress", state, inputs, {**inputs, "serviceId": 1002})
    assert list(response.replaces) == ["serviceId"]
    assert response.deleteBeforeReplace


def test_schema_has_every_property_with_its_type() -> None:
    schema = json.loads(PROVIDER.GetSchema(None, None).schema)
    assert set(schema["resources"]) == set(RESOURCES)
    for token, resource in RESOURCES.items():
        described = schema["resources"][token]
        assert set(described["inputProperties"]) == set(resource.inputs)
        assert set(described["properties"]) == {*resource.inputs, *resource.outputs}
        assert described["requiredInputs"] == list(resource.inputs)
        assert all(entry["type"] for entry in described["properties"].values())


def create(error: Exception) -> Call:
    call = Call()
    request = provider_pb2.CreateRequest(urn=urn("Instance"), properties=struct(SERVER))
    with pytest.raises(Aborted):
        failing(error).Create(request, call)
    return call


def test_fault_is_one_line_with_code_and_remedy() -> None:
    call = create(VANISHED.shown())
    assert_shows(call.message, VANISHED)
    assert call.trailing == ()


def test_unexpected_error_shows_its_line_and_not_its_text() -> None:
    call = create(ValueError("the password is 1234"))
    assert call.code is grpc.StatusCode.INTERNAL
    assert_shows(call.message, DEFECT, reason=...)
    assert "ValueError at test_provider.py:" in call.message
    assert "1234" not in call.message


def test_server_that_is_not_active_is_kept_in_the_state() -> None:
    """It is bought, so it must be ended later."""

    call = Call()
    request = provider_pb2.CreateRequest(urn=urn("Instance"), properties=struct(SERVER))
    with pytest.raises(Aborted):
        late(not_active(BUILDING, "still build")).Create(request, call)
    assert_shows(call.message, NOT_ACTIVE, name="")
    detail = kept(call)
    assert detail.id == "1001"
    assert detail.properties["serviceId"] == 1001
    assert list(detail.reasons) == [call.message]


BUILDING = Instance.model_validate({"serviceid": 1001, "status": "BUILD"})


def late(unfinished: Unfinished) -> HostwindsProvider:
    """Return a provider whose server is not active."""

    class Late:
        client = None

        def progress(self, line: str) -> None: ...

        @property
        def buyer(self) -> Any:
            return self

        def instance(self, *_: Any) -> Any:
            raise unfinished

    services: Any = Late()
    return HostwindsProvider(lambda _: services, lambda: None)


def kept(call: Call) -> Any:
    """Return what the engine keeps of a resource that is partly done."""
    [(name, packed)] = call.trailing
    assert name == "grpc-status-details-bin"
    detail = provider_pb2.ErrorResourceInitFailed()
    status_pb2.Status.FromString(packed).details[0].Unpack(detail)
    return detail


def test_server_that_is_not_listed_yet_is_in_no_state() -> None:
    call = Call()
    request = provider_pb2.CreateRequest(urn=urn("Instance"), properties=struct(SERVER))
    with pytest.raises(Aborted):
        late(provisioning("acme-mx1-3f9a2c", datetime.now(UTC), None)).Create(request, call)
    assert_shows(call.message, PROVISIONING, status="not listed yet", name=..., until=...)
    assert call.trailing == ()


def test_server_that_was_active_before_keeps_its_address_while_it_is_not() -> None:
    """It is not created any more: that must not be taken for a wait."""
    call = Call()
    request = provider_pb2.UpdateRequest(
        urn=urn("Instance"),
        id="1001",
        olds=struct({**SERVER, "serviceId": 1001, "mainIp": "198.18.1.10"}),
        news=struct({**SERVER, "inbound": ["22/tcp"]}),
    )
    with pytest.raises(Aborted):
        late(provisioning("acme-mx1-3f9a2c", datetime.now(UTC), BUILDING)).Update(request, call)
    assert_shows(call.message, NOT_ACTIVE, name="", status="build")
    assert kept(call).properties["mainIp"] == "198.18.1.10"


def test_pointer_without_a_state_is_not_imported() -> None:
    with fault_shown(POINTER_IMPORT):
        RESOURCES["hostwinds:index:ReverseDns"].read("198.18.1.10", {}, SERVICES)
