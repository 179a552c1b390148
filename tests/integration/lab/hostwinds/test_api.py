"""The Hostwinds emulator has the documented quirks, which our own client would hide."""

from __future__ import annotations

import re

import pytest

from lab.hostwinds.account import HostwindsAccount
from lab.memory import MemoryMachines, MemoryNameserver
from tests.integration.lab.hostwinds.conftest import KEY, Api, order, refusal
from tests.support import plain_http


class Unbootable(MemoryMachines):
    """Machines of which none boots."""

    def order(self, server_id: int, name: str, address: str, root_password: str) -> None:
        raise OSError("no power")


@pytest.mark.parametrize("form", ["form", "json", "multipart", "query"])
def test_request_in_any_form_is_answered_with_the_wrong_content_type(base: str, form: str) -> None:
    url, body = f"{base}/cloud/api.php", {"action": "get_instances", "API": KEY}
    if form == "query":
        answer = plain_http.get(url, params=body)
    elif form == "multipart":
        answer = plain_http.post(url, files={name: (None, text) for name, text in body.items()})
    else:
        answer = plain_http.post(url, **{"data" if form == "form" else "json": body})
    assert answer.json() == {"success": []}
    assert answer.headers["content-type"].startswith("text/html")


def test_error_is_answered_with_status_200(api: Api) -> None:
    [unknown] = api("no_such_action")
    assert (unknown["message"], unknown["ERROR"]) == ("Invalid Action.", "6734")
    assert "action" not in unknown
    assert refusal(api("get_instances", API="wrong")) == "Not Authorized!"
    assert refusal(api("get_instance", serviceid=4711)) == "A valid serviceid is required."
    assert refusal(api("get_instance", serviceid="x")) == "A valid serviceid is required."
    assert refusal(api("get_instance")) == "A valid serviceid is required."


@pytest.mark.parametrize(
    "body", [b"{", b"[1]", b"null", b"\xff", pytest.param(b"[" * 100_000, id="deep")]
)
@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/form-data", "multipart/form-data; boundary=b"]
)
def test_body_that_cannot_be_read_has_no_key(base: str, kind: str, body: bytes) -> None:
    answer = plain_http.post(f"{base}/cloud/api.php", content=body, headers={"content-type": kind})
    assert answer.status_code == 200
    assert refusal(answer.json()) == "Not Authorized!"


@pytest.mark.parametrize("value", ["x", "-1", "0", "1.5", pytest.param("9" * 5000, id="long"), ""])
def test_parameter_that_is_no_number_is_ignored_or_refused(
    api: Api, hostwinds_account: HostwindsAccount, value: str
) -> None:
    order(api, qty=value)
    assert len(hostwinds_account.ledger) == 1
    assert len(api("get_instance_ids", page=value, limit=value)["success"]) == 1
    assert api("get_serial", serviceid=1001, draw=value)["success"]["data"] == []
    assert refusal(api("get_instance", serviceid=value)) == "A valid serviceid is required."
    assert refusal(order(api, location_id=value)) == "Location Id is invalid."


def test_request_over_ipv6_is_not_authorized(
    hostwinds_account: HostwindsAccount, both_families: int
) -> None:
    for host in ("127.0.0.1", "[::1]"):
        call = {"action": "get_instances", "API": KEY}
        answer = plain_http.post(f"http://{host}:{both_families}/cloud/api.php", data=call).json()
        assert ("success" in answer) is (host == "127.0.0.1")
    assert refusal(answer) == "Not Authorized!"
    assert answer[0]["action"] == "Authorization"


def test_order_is_charged_at_once_and_answered_without_an_id(
    api: Api, hostwinds_account: HostwindsAccount
) -> None:
    for _ in range(2):
        steps = order(api)
        assert [step["action"] for step in steps] == ["Invoice Paid", "Add Instance"]
        assert "serviceid" not in str(steps)
    assert [server.srvrname for server in hostwinds_account.all_servers()] == [
        "acme-mx1",
        "acme-mx1",
    ]
    assert [line["usd"] for line in hostwinds_account.ledger] == ["9.99", "9.99"]
    assert refusal(order(api, location_id=1)) == "Location Id is invalid."
    assert "Hourly" in refusal(order(api, billingcycle="hourly"))
    assert "cycle" in refusal(order(api, billingcycle="yearly"))
    assert len(hostwinds_account.ledger) == 2


def test_order_that_fails_may_have_been_paid(api: Api, hostwinds_account: HostwindsAccount) -> None:
    hostwinds_account.faults.inject("late_error")
    assert [step["result"] for step in order(api)] == ["success", "error"]
    assert len(hostwinds_account.ledger) == 1


def test_instance_listed_shows_its_secrets(api: Api, hostwinds_account: HostwindsAccount) -> None:
    order(api)
    [server] = hostwinds_account.all_servers()
    shown = api("get_instance", serviceid=server.serviceid)["success"]
    assert shown["password"] == server.password
    assert shown["configkey"]


def test_instance_locked_or_suspended_refuses_changes(
    api: Api, base: str, machines: MemoryMachines
) -> None:
    order(api)
    assert "locked" in api("toggle_lock", serviceid=1001)[0]["message"]
    assert "locked" in refusal(api("terminate", serviceid=1001))
    api("toggle_lock", serviceid=1001)
    change = {"serviceid": 1001, "suspended": True}
    assert plain_http.post(f"{base}/_lab/portal/change", json=change).status_code == 200
    assert "suspended" in refusal(api("terminate", serviceid=1001))
    assert machines.rules[1001] == []
    assert api("get_instance", serviceid=1001)["success"]["status"] == "suspended"


def test_address_of_another_server_is_refused(
    api: Api, hostwinds_account: HostwindsAccount, nameserver: MemoryNameserver
) -> None:
    order(api)
    secondary = hostwinds_account.attach(1001)
    [main, _] = [
        entry["ip"] for entry in api("get_instance_ips", serviceid=1001)["success"]["IP Addresses"]
    ]
    assert "main" in refusal(api("delete_ip", serviceid=1001, ip=main))
    foreign = {"serviceid": 1001, "ip": "192.0.2.1", "rdns": "mx1.acme.example"}
    for action in ("set_rdns", "set_main_ip", "delete_ip"):
        assert "not assigned" in refusal(api(action, **foreign))
    for name in ("mx1", "mx 1.acme.example", "-.example", "198.18.1.10", "mx1.acme.example."):
        assert "hostname" in refusal(api("set_rdns", serviceid=1001, ip=main, rdns=name))
    api("set_rdns", serviceid=1001, ip=secondary, rdns="mx1-2.acme.example")
    default = nameserver.pointers[main]
    assert nameserver.pointers[secondary] == "mx1-2.acme.example"
    api("delete_ip", serviceid=1001, ip=secondary)
    for pointer in (default, nameserver.pointers[secondary]):
        assert re.fullmatch(r"hwsrv-\d+\.hostwindsdns\.com", pointer)


@pytest.mark.parametrize("machines", [Unbootable()])
def test_server_whose_boot_failed_is_in_error_and_can_be_ended(
    api: Api, hostwinds_account: HostwindsAccount
) -> None:
    order(api)
    [server] = hostwinds_account.all_servers()
    assert server.booted is not None
    assert isinstance(server.booted.exception(), OSError)
    assert api("get_instance", serviceid=1001)["success"]["status"] == "error"
    assert api("terminate", serviceid=1001)[0]["result"] == "success"
    assert list(hostwinds_account.all_servers()) == []


def test_fault_that_is_unknown_is_refused_with_the_list(base: str) -> None:
    answer = plain_http.post(f"{base}/_lab/faults", json={"fault": "lost_answers"})
    assert answer.status_code == 400
    assert "lost_answer," in answer.json()["error"]
