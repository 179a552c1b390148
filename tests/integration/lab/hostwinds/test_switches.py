"""Each switch of the Hostwinds emulator makes it as unkind as the provider may be."""

from __future__ import annotations

import pytest

from lab.hostwinds.account import HostwindsAccount
from lab.hostwinds.switches import ODD_BODIES
from tests.integration.lab.hostwinds.conftest import Api, order, refusal
from tests.support import plain_http


def test_price_that_rises_is_listed_and_charged(
    api: Api, hostwinds_account: HostwindsAccount, base: str
) -> None:
    order(api)
    change = plain_http.post(f"{base}/_lab/settings", json={"prices": {"52": "14.99"}})
    assert change.json()["prices"] == {"52": "14.99"}
    assert api("get_price_list")["success"]["52"]["monthly"] == "14.99"
    order(api)
    assert [line["usd"] for line in hostwinds_account.ledger] == ["9.99", "14.99"]
    assert plain_http.get(f"{base}/_lab/charges").json()["usd_a_month"] == "24.98"
    plain_http.delete(f"{base}/_lab/settings")
    assert api("get_price_list")["success"]["52"]["monthly"] == "9.99"


@pytest.mark.parametrize(
    ("faults", "results", "charged", "delivered"),
    [
        ({"payment_refused"}, ["error"], 0, 0),
        ({"late_error"}, ["success", "error"], 1, 1),
        ({"late_unauthorized"}, ["success", "error"], 1, 1),
        ({"late_unauthorized", "not_delivered"}, ["success", "error"], 1, 0),
        ({"not_delivered"}, ["success", "success"], 1, 0),
        ({"no_effect"}, ["success", "success"], 0, 0),
    ],
)
def test_order_that_goes_wrong_is_charged_and_delivered_as_the_fault_says(
    api: Api,
    hostwinds_account: HostwindsAccount,
    faults: set[str],
    results: list[str],
    charged: int,
    delivered: int,
) -> None:
    for fault in faults:
        hostwinds_account.faults.inject(fault)
    steps = order(api)
    assert [step["result"] for step in steps] == results
    assert "late_unauthorized" not in faults or steps[-1]["message"] == "Not Authorized!"
    assert len(hostwinds_account.ledger) == charged
    assert len(api("get_instances")["success"]) == delivered


@pytest.mark.parametrize("body", ODD_BODIES)
def test_body_of_another_shape_answers_reads_and_changes(
    api: Api, hostwinds_account: HostwindsAccount, body: str
) -> None:
    hostwinds_account.settings.odd_body = body
    hostwinds_account.settings.only = "add_instance"
    hostwinds_account.faults.inject("odd_change")
    assert order(api) == ODD_BODIES[body]
    assert hostwinds_account.ledger == []
    hostwinds_account.faults.inject("odd_done")
    assert order(api) == ODD_BODIES[body]
    assert len(hostwinds_account.ledger) == 1
    hostwinds_account.settings.only = ""
    hostwinds_account.faults.inject("odd_read")
    assert api("get_instances") == ODD_BODIES[body]


def test_key_that_was_rotated_reads_the_catalogue_only(
    api: Api, hostwinds_account: HostwindsAccount
) -> None:
    order(api)
    hostwinds_account.settings.key = "rotated"
    assert api("get_locations")["success"]
    assert api("get_price_list")["success"]
    for action in ("get_instances", "get_instance", "get_instance_ids", "get_instance_ips"):
        assert refusal(api(action, serviceid=1001)) == "A valid serviceid is required."
    for action in ("terminate", "set_rdns", "delete_ip"):
        parameters = {"serviceid": 1001, "ip": "198.18.1.10", "rdns": "mx1.acme.example"}
        assert refusal(api(action, **parameters)) == "A valid serviceid is required."
    hostwinds_account.settings.key = "expired"
    assert refusal(api("get_locations")) == "Not Authorized!"
    hostwinds_account.settings.key = "valid"
    assert len(api("get_instances")["success"]) == 1


def test_key_of_another_account_lists_and_charges_that_account(
    api: Api, hostwinds_account: HostwindsAccount
) -> None:
    order(api)
    hostwinds_account.make_profile("mail", [25])
    hostwinds_account.settings.userid = 2
    assert api("get_instances") == {"success": []}
    listed = [profile["name"] for profile in api("get_firewall_profiles")["success"]]
    assert listed == ["default", "smtp", "web"]
    assert refusal(api("get_instance", serviceid=1001)) == "A valid serviceid is required."
    order(api)
    assert [server["userid"] for server in api("get_instances")["success"]] == [2]
    assert [line["userid"] for line in hostwinds_account.ledger] == [1, 2]


def test_key_is_refused_from_other_sources_and_with_the_status_that_is_set(
    base: str, hostwinds_account: HostwindsAccount
) -> None:
    hostwinds_account.settings.allowed_sources = ("192.0.2.1",)
    hostwinds_account.settings.unauthorized_status = 403
    call = {"action": "get_instances", "API": hostwinds_account.key}
    answer = plain_http.post(f"{base}/cloud/api.php", data=call)
    assert answer.status_code == 403
    assert answer.json() == [
        {"result": "error", "action": "Authorization", "message": "Not Authorized!"}
    ]


def test_lists_of_addresses_mix_families_in_any_order(
    api: Api, hostwinds_account: HostwindsAccount
) -> None:
    order(api)
    secondary = hostwinds_account.attach(1001)
    hostwinds_account.settings.address_lists = "mixed"
    entries = api("get_instance_ips", serviceid=1001)["success"]["IP Addresses"]
    listed = [entry["ip"] for entry in entries]
    main = api("get_instance", serviceid=1001)["success"]["main_ip"]
    assert listed[-1] == main
    assert listed.index(secondary) > 0
    assert any(":" in address for address in listed)
    assert any(address.startswith("10.") for address in listed)
    assert any("/" in address for address in listed)
    for form, expected in (("array", listed), ("text", ", ".join(listed)), ("null", None)):
        hostwinds_account.switchboard.change({"ips": form})
        assert api("get_instance", serviceid=1001)["success"]["ips"] == expected


def test_price_list_has_lines_that_nobody_can_order(
    api: Api, hostwinds_account: HostwindsAccount
) -> None:
    hostwinds_account.settings.price_lines = "odd"
    hostwinds_account.settings.price_list = "array"
    lines = {line["name"]: line for line in api("get_price_list")["success"]}
    assert "monthly" not in lines["Custom"]
    assert lines["Test"]["monthly"] == "0.00"
    assert lines["No price"]["monthly"] == ""
    assert lines["Dedicated 64 GB"]["ram"] == "65,536 MB"
    for line in lines.values():
        if line["rid"] >= 90:
            assert refusal(order(api, rid=line["rid"])) == "Resource Id is invalid."


def test_setting_that_is_unknown_or_wrong_is_refused_and_nothing_is_changed(
    base: str, hostwinds_account: HostwindsAccount
) -> None:
    before = hostwinds_account.settings.model_copy(deep=True)
    for wrong in ({"userid": 2, "keys": "rotated"}, {"userid": 2, "key": "lost"}):
        answer = plain_http.post(f"{base}/_lab/settings", json=wrong)
        assert answer.status_code == 400
        assert "key" in answer.json()["error"]
    assert hostwinds_account.settings == before
