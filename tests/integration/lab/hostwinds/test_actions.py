"""Every documented action of the API exists, with the documented step names and messages."""

from __future__ import annotations

from typing import Any

import pytest

from lab.hostwinds.account import HostwindsAccount
from lab.memory import MemoryMachines, MemoryNameserver
from tests.integration.lab.hostwinds.conftest import Api, Clock, order, refusal
from tests.support import plain_http

MAIN, SECONDARY, SPARE = "198.18.1.10", "198.18.1.11", "198.18.1.12"
UBUNTU = "0c1b2a3d-ubuntu-2204"
STEPS: dict[str, tuple[str | None, str]] = {
    "boot": ("Boot", "Instance Server#1001 has been started!"),
    "shutdown": ("Shutdown", "Instance Server#1001 has been shut down!"),
    "reboot": ("Reboot", "Instance rebooted"),
    "terminate": (None, "Instance deleted"),
    "recreate": ("Rercreate", "Recreating Server#1001"),
    "reinstall_instance": ("Reinstall Instance", "Instance Server#1001 is being rebuilt!"),
    "repair_instance": ("Repair Instance", "Instance Server#1001 has been restarted!"),
    "rescue": ("Reboot in Rescue Mode", "Server Server#1001 Rebooting."),
    "unrescue": ("Unrescue", "Server Server#1001 Rebooting Noramal."),
    "edit_instance": ("Edit Instance", "Instance server name has been updated"),
    "change_password": (
        "Change Password",
        "Server Server#1001 has new password!<br>Reboot required for changes to take effect!",
    ),
    "toggle_lock": ("Toggle Lock", "Service has been locked."),
    "change_main_ip": ("Change Main IP", "Main IP address changed successfully!"),
    "set_main_ip": (None, "Main IP set"),
    "delete_ip": ("Delete IP", "IP removed"),
    "set_rdns": ("Set rDNS", "rDNS record updated."),
    "regenerate_networking": (
        "Regenerate Networking",
        "Regenerating Network for Server#1001",
    ),
    "set_instance_firewall": (
        "Set Instance Firewall Profile",
        "Instances firewall profile has been updated.",
    ),
    "create_ip_cleanup_fee": ("Create IP Cleanup Fee", "A valid serviceid is required."),
    "fix_isp_blocked": ("Fix Isp Blocked", "Your IP is being changed!"),
    "change_billing_cycle": ("Change Billing Cycle", "Service has been upgraded!"),
    "downgrade_to_unmanaged": ("Downgrade to Unmanaged", "Service has been downgraded!"),
    "upgrade_instance": ("Upgrade Instance", "Service has been upgraded!"),
}
PARAMETERS: dict[str, dict[str, object]] = {
    "reinstall_instance": {"template": UBUNTU},
    "edit_instance": {"srvrname": "acme-mx9"},
    "change_password": {"password": "another"},
    "set_main_ip": {"ip": SECONDARY},
    "delete_ip": {"ip": SECONDARY},
    "set_rdns": {"ip": SECONDARY, "rdns": "out2.mx1.acme.example"},
    "set_instance_firewall": {"name": "web"},
    "fix_isp_blocked": {"loc": "ips"},
    "change_billing_cycle": {"billingcycle": "annually"},
    "upgrade_instance": {"rid": "54"},
}


def instance(api: Api) -> Any:
    return api("get_instance", serviceid=1001)["success"]


def instance_of(api: Api) -> Any:
    """Return the server that was ordered last."""
    return api("get_instances")["success"][-1]


@pytest.fixture
def server(api: Api, hostwinds_account: HostwindsAccount) -> None:
    """The server 1001 with a secondary address, booted."""
    order(api)
    hostwinds_account.attach(1001)


@pytest.mark.parametrize("action", STEPS)
def test_change_answers_as_documented_and_names_what_it_lacks(
    api: Api, hostwinds_account: HostwindsAccount, server: None, action: str
) -> None:
    name, message = STEPS[action]
    [step] = api(action, serviceid=1001, **PARAMETERS.get(action, {}))
    assert step == {"result": "success", "message": message} | ({"action": name} if name else {})
    for wrong in ("4711", "x"):
        [step] = api(action, serviceid=wrong, **PARAMETERS.get(action, {}))
        expected = {"result": "error", "message": "A valid serviceid is required."}
        assert step == expected | ({"action": name} if name else {})


def test_numbers_of_errors_are_only_where_they_are_documented(api: Api) -> None:
    assert api("upgrade_server", serviceid=4711) == [
        {
            "result": "error",
            "action": "Upgrade Server",
            "message": "A valid serviceid is required.",
            "ERROR": "721334",
        }
    ]
    [lock] = api("toggle_lock")
    assert (lock["message"], lock["ERROR"]) == ("Service Id is required.", "5529903")
    [hourly] = api("upgrade_to_managed", serviceid=4711)
    assert hourly["action"] == "Upgrade to Managed"


def test_billing_cycle_and_level_refuse_hourly(api: Api, server: None) -> None:
    message = "Hourly products are disabled! Please contact customer service."
    assert refusal(api("upgrade_to_managed", serviceid=1001)) == message
    hourly = api("change_billing_cycle", serviceid=1001, billingcycle="hourly")
    assert refusal(hourly) == message


def test_reads_answer_as_seen_live_or_as_documented(
    api: Api, base: str, hostwinds_account: HostwindsAccount, server: None
) -> None:
    live = api("get_instances")["success"]
    shown = api("get_instance", serviceid=1001)["success"]
    assert live == [shown]
    ips = api("get_instance_ips", serviceid=1001)["success"]["IP Addresses"]
    assert ips == [{"ip": MAIN}, {"ip": SECONDARY}]
    assert api("check_serviceid", serviceid=1001) == {"success": True}
    hostwinds_account.settings.answers = "documented"
    assert api("get_instances") == live
    assert api("get_instance", serviceid=1001) == shown
    assert api("get_instance_ips", serviceid=1001) == [shown]
    assert api("get_locations")[0]["id"] == 12
    call = {"action": "check_serviceid", "API": hostwinds_account.key, "serviceid": "1001"}
    misprint = plain_http.post(f"{base}/cloud/api.php", data=call).text
    assert misprint == '{"success" = true}'
    [refused] = api("get_instances", API="wrong")
    assert refused == {"result": "error", "message": "Not Authorized!"}


def test_instance_has_every_documented_field(api: Api, server: None) -> None:
    documented = """
        serviceid userid location_id server_uuid volume_uuid password port_uuid main_ip private_ip
        ips upgrade_available is_suspended configkey ssh_keys hourly bandwidth pswd_changed srvrname
        template_uuid app_id locked hostname product_id billingcycle product_name disk_type
        upgrade_ram upgrade_cpu upgrade_disk bandwidth_used mac_address status disp_status image
        ip_v6 flavor vm_state task_state image_ref ram cpu disk created_at name launched_at
        updated_at power_state host
    """
    assert set(instance(api)) == set(documented.split())


def test_list_of_ids_is_searched_and_paged(api: Api, server: None) -> None:
    order(api, srvrname="other-mx1")
    listed = api("get_instance_ids")["success"]
    assert [entry["id"] for entry in listed] == [1001, 1002]
    assert listed[0].keys() == {"id", "hostname", "srvrname", "ips", "dedicatedip", "ip_v6"}
    assert listed[0]["ips"] == f"{MAIN},{SECONDARY}"
    assert [e["id"] for e in api("get_instance_ids", search="other")["success"]] == [1002]
    assert [e["id"] for e in api("get_instance_ids", page="2", limit="1")["success"]] == [1002]
    assert api("get_instance_ids", location_id=7)["success"] == []


@pytest.mark.parametrize("case", ["upper", "lower", "title"])
def test_words_of_state_come_in_any_case(
    api: Api, hostwinds_account: HostwindsAccount, server: None, case: str
) -> None:
    hostwinds_account.switchboard.change({"status_case": case})
    assert instance(api)["status"] == getattr("active", case)()


def test_moments_of_a_server_come_one_after_the_other(
    api: Api, hostwinds_account: HostwindsAccount, machines: MemoryMachines, clock: Clock
) -> None:
    moments = {"listed_after": 60, "active_after": 60, "reachable_after": 60, "password_after": 60}
    hostwinds_account.switchboard.change(moments)
    order(api)
    [server] = hostwinds_account.all_servers()
    server.wait_for_boot()
    assert api("get_instances")["success"] == []
    clock.now = 60
    assert (instance(api)["status"], instance(api)["task_state"]) == ("BUILD", "spawning")
    clock.now = 120
    assert instance(api)["status"] == "ACTIVE"
    assert machines.rules[1001] == []
    clock.now = 180
    password = instance(api)["password"]
    assert machines.rules[1001] != []
    assert machines.passwords[1001] != password
    clock.now = 240
    assert instance(api)["password"] == password == machines.passwords[1001]


def test_changes_that_take_time_are_answered_before_they_are_seen(
    api: Api,
    hostwinds_account: HostwindsAccount,
    machines: MemoryMachines,
    nameserver: MemoryNameserver,
    server: None,
    clock: Clock,
) -> None:
    later = {"lands_after": 60, "pointer_after": 60, "attached_after": 60, "move_after": 60}
    hostwinds_account.switchboard.change(later)
    api("set_rdns", serviceid=1001, ip=MAIN, rdns="mx1.acme.example")
    api("delete_ip", serviceid=1001, ip=SECONDARY)
    hostwinds_account.attach(1001)
    assert instance(api)["ips"] == [MAIN, SECONDARY]
    assert nameserver.pointers[MAIN] != "mx1.acme.example"
    clock.now = 60
    assert instance(api)["ips"] == [MAIN, SPARE]
    assert nameserver.pointers[MAIN] == "mx1.acme.example"
    api("fix_isp_blocked", serviceid=1001, loc="ips")
    assert instance(api)["main_ip"] == MAIN
    clock.now = 120
    assert instance(api)["main_ip"] != MAIN
    api("terminate", serviceid=1001)
    assert len(api("get_instances")["success"]) == 1
    clock.now = 180
    assert api("get_instances")["success"] == []
    assert machines.addresses == {}


def test_change_of_a_server_that_ended_meanwhile_does_nothing(
    api: Api,
    hostwinds_account: HostwindsAccount,
    machines: MemoryMachines,
    nameserver: MemoryNameserver,
    server: None,
    clock: Clock,
) -> None:
    moments = ("lands_after", "pointer_after", "attached_after", "move_after", "move_usable_after")
    hostwinds_account.switchboard.change(dict.fromkeys(moments, 60))
    api("set_rdns", serviceid=1001, ip=MAIN, rdns="mx1.acme.example")
    api("set_main_ip", serviceid=1001, ip=SECONDARY)
    api("delete_ip", serviceid=1001, ip=SECONDARY)
    api("recreate", serviceid=1001)
    api("regenerate_networking", serviceid=1001)
    api("terminate", serviceid=1001)
    api("change_main_ip", serviceid=1001)
    hostwinds_account.attach(1001)
    hostwinds_account.end(1001)
    clock.now = 120
    assert api("get_instances")["success"] == []
    assert (machines.addresses, machines.rules) == ({}, {})
    assert all(name.startswith("hwsrv-") for name in nameserver.pointers.values())
    sold = [order(api) and instance_of(api)["main_ip"] for _ in range(3)]
    assert sorted(sold) == [MAIN, SECONDARY, SPARE]


def test_change_that_was_accepted_lands_although_the_key_is_rotated(
    api: Api, hostwinds_account: HostwindsAccount, base: str, server: None, clock: Clock
) -> None:
    hostwinds_account.settings.lands_after = 60
    api("terminate", serviceid=1001)
    hostwinds_account.settings.key = "rotated"
    portal = plain_http.post(
        f"{base}/_lab/portal/change", json={"serviceid": 1001, "name": "renamed"}
    )
    assert portal.status_code == 200
    clock.now = 60
    api("get_locations")
    assert list(hostwinds_account.all_servers()) == []


def test_password_that_was_changed_is_in_force_after_the_next_boot(
    api: Api, machines: MemoryMachines, server: None
) -> None:
    for actions in (["reboot"], ["shutdown", "boot"]):
        password = "-".join(actions)
        api("change_password", serviceid=1001, password=password)
        assert machines.passwords[1001] != password
        for action in actions:
            api(action, serviceid=1001)
        assert instance(api)["password"] == machines.passwords[1001] == password


def test_state_is_one_of_openstacks_words(
    api: Api, base: str, hostwinds_account: HostwindsAccount, server: None
) -> None:
    assert instance(api)["vm_state"] == "active"
    api("shutdown", serviceid=1001)
    assert (instance(api)["status"], instance(api)["vm_state"]) == ("SHUTOFF", "stopped")
    plain_http.post(f"{base}/_lab/portal/change", json={"serviceid": 1001, "suspended": True})
    assert (instance(api)["status"], instance(api)["vm_state"]) == ("suspended", "suspended")
    hostwinds_account.settings.active_after = 60
    order(api)
    assert api("get_instance", serviceid=1002)["success"]["vm_state"] == "building"
    [step] = api("get_instance_maintenance", serviceid=1002)
    assert step["message"] == "Server is being Created!"


def test_main_address_moves_and_after_three_times_success_changes_nothing(
    api: Api, hostwinds_account: HostwindsAccount, machines: MemoryMachines, server: None
) -> None:
    seen = [MAIN]
    for _ in range(3):
        api("change_main_ip", serviceid=1001)
        seen.append(instance(api)["main_ip"])
        assert machines.addresses[1001] == [seen[-1], SECONDARY]
        assert seen[-1] != seen[-2]
    assert api("change_main_ip", serviceid=1001)[0]["result"] == "success"
    assert instance(api)["main_ip"] == seen[-1]
    hostwinds_account.settings.moves_in_a_row = 9
    hostwinds_account.settings.old_address = "kept"
    api("fix_isp_blocked", serviceid=1001, loc="ips")
    assert seen[-1] in instance(api)["ips"][1:]
    assert hostwinds_account.charges()["usd_fees"] == "12.00"


def test_upgrade_is_ordered_paid_applied_and_confirmed(
    api: Api, base: str, hostwinds_account: HostwindsAccount, server: None
) -> None:
    assert refusal(api("check_upgrade_order", serviceid=1001))
    api("upgrade_instance", serviceid=1001, rid="54")
    assert "exists" in refusal(api("upgrade_instance", serviceid=1001, rid="53"))
    assert api("check_upgrade_order", serviceid=1001)["success"]["total"] == "29.00"
    assert refusal(api("upgrade_server", serviceid=1001)) == "The upgrade is not paid."
    paid = {"serviceid": 1001, "upgrade": "paid"}
    assert plain_http.post(f"{base}/_lab/portal/change", json=paid).status_code == 200
    assert api("check_upgrade_reboot", serviceid=1001) == {"success": True}
    api("upgrade_server", serviceid=1001)
    assert instance(api)["status"] == "RESIZED"
    assert api("revert_upgrade", serviceid=1001)[0]["message"] == "Upgrade Reverted!"
    assert (instance(api)["cpu"], instance(api)["status"]) == (1, "ACTIVE")
    assert [line["usd"] for line in hostwinds_account.ledger] == ["9.99", "4.99", "29.00"]


def test_charges_count_what_runs_and_the_fees(
    api: Api, base: str, hostwinds_account: HostwindsAccount, server: None
) -> None:
    api("create_ip_cleanup_fee", serviceid=1001)
    order(api, rid="51")
    expected = {"servers": 2, "addresses": 1, "usd_a_month": "19.97", "fees": 1}
    charges = plain_http.get(f"{base}/_lab/charges").json()
    assert charges == expected | {"usd_fees": "10.00", "usd_invoiced": "29.97"}
    ended = {"serviceid": 1001, "ended": True}
    plain_http.post(f"{base}/_lab/portal/change", json=ended)
    charges = plain_http.get(f"{base}/_lab/charges").json()
    assert (charges["servers"], charges["usd_a_month"]) == (1, "4.99")
    assert charges["usd_invoiced"] == "29.97"


def test_server_recreated_has_another_password_and_another_address_if_so_set(
    api: Api, hostwinds_account: HostwindsAccount, machines: MemoryMachines, server: None
) -> None:
    before = instance(api)
    hostwinds_account.settings.recreate_moves = True
    api("recreate", serviceid=1001)
    next(hostwinds_account.all_servers()).wait_for_boot()
    after = instance(api)
    assert after["password"] != before["password"]
    assert after["password"] == machines.passwords[1001]
    assert after["main_ip"] != MAIN
    assert machines.addresses[1001] == after["ips"]


def test_smtp_filter_of_the_portal_is_listed(api: Api, base: str) -> None:
    assert api("get_smtp_filters") == {"success": {"spam": []}}
    entry = {"type": "spam", "created": "2026-11-28 10:00:00", "invoice_id": 7}
    plain_http.post(f"{base}/_lab/portal/smtp-filters", json=entry)
    assert api("get_smtp_filters") == {"success": {"spam": [entry]}}


def test_other_reads_answer(api: Api, server: None) -> None:
    assert api("get_instance_maintenance", serviceid=1001) == []
    assert api("get_serial", serviceid=1001, draw=3)["success"]["draw"] == 3
    assert api("get_vnc", serviceid=1001)["success"]["data"] == []
    assert api("get_server_charts", serviceid=1001, period="1h") == {}
    assert api("get_snapshots") == {"success": []}
    assert api("get_billingcycle_prices", serviceid=1001)["annually"] == "119.88"
    for action in ("add_ssh_key", "delete_ssh_key", "finalize_iso"):
        assert refusal(api(action, serviceid=1001, name="k"))
