"""The documents of the API about servers and addresses, in the form that the settings choose."""

from __future__ import annotations

from typing import Any

from lab.hostwinds import catalogue
from lab.hostwinds.account import HostwindsAccount, default_pointer
from lab.hostwinds.server import Server

TIME = "%Y-%m-%d %H:%M:%S"
MEBIBYTES = 1024
STATES = {
    "ACTIVE": "active",
    "BUILD": "building",
    "ERROR": "error",
    "RESIZED": "resized",
    "SHUTOFF": "stopped",
    "SUSPENDED": "suspended",
}
"""OpenStack's `vm_state` of each status."""


def listing(account: HostwindsAccount, items: Any) -> Any:
    """Return a list or object as an answer."""
    return items if account.settings.answers == "documented" else {"success": items}


def offered(account: HostwindsAccount, items: list[dict[str, Any]], key: str) -> Any:
    """Return a part of the catalogue in the form that the settings choose."""
    by_key = account.settings.catalogue == "by_id"
    return listing(account, {str(item[key]): item for item in items} if by_key else items)


def instance(account: HostwindsAccount, server: Server) -> dict[str, Any]:
    """Return the instance object with every documented field, secrets included."""
    settings, number = account.settings, server.serviceid
    status, plan = account.status(server), catalogue.PLANS[server.rid]
    created = server.created.strftime(TIME)
    image = next(image for image in catalogue.IMAGES if image["uuid"] == server.template)
    ram_mb = plan["ram_gb"] * MEBIBYTES
    return {
        "serviceid": number,
        "userid": server.userid,
        "location_id": server.location_id,
        "server_uuid": f"00000000-0000-4000-8000-{number:012d}",
        "volume_uuid": None,
        "password": server.password,
        "port_uuid": f"00000000-0000-4000-9000-{number:012d}",
        "main_ip": server.main_ip,
        "private_ip": _private(server),
        "ips": _ips(account, server),
        "upgrade_available": 1,
        "is_suspended": int(server.suspended),
        "configkey": f"config-{number}",
        "ssh_keys": [],
        "hourly": 0,
        "bandwidth": None,
        "pswd_changed": created,
        "srvrname": server.srvrname,
        "template_uuid": server.template,
        "app_id": None,
        "locked": int(server.locked),
        "hostname": default_pointer(server.main_ip),
        "product_id": int(server.rid),
        "billingcycle": server.cycle,
        "product_name": plan["name"],
        "disk_type": "ssd",
        "upgrade_ram": "0",
        "upgrade_cpu": "0",
        "upgrade_disk": "0",
        "bandwidth_used": "0.00",
        "mac_address": f"fa:16:3e:00:{number >> 8 & 255:02x}:{number & 255:02x}",
        "status": status,
        "disp_status": settings.status_case.of(status.title()),
        "image": {"name": image["name"]},
        "ip_v6": _six(server),
        "flavor": {"ram": ram_mb, "vcpus": plan["cpu"], "disk": plan["disk"]},
        "vm_state": settings.status_case.of(STATES[status.upper()]),
        "task_state": "spawning" if is_building(account, server) else None,
        "image_ref": server.template,
        "ram": ram_mb if settings.size_unit == "MB" else plan["ram_gb"],
        "cpu": plan["cpu"],
        "disk": plan["disk"],
        "created_at": created,
        "name": f"Server#{number}",
        "launched_at": created,
        "updated_at": created,
        "power_state": 4 if server.off else 1,
        "host": "node-17",
    }


def is_building(account: HostwindsAccount, server: Server) -> bool:
    """Tell whether a server has not been ACTIVE yet."""
    return account.status(server).upper() == "BUILD"


def short(account: HostwindsAccount, server: Server) -> dict[str, Any]:
    """Return the short object of get_instance_ids."""
    return {
        "id": server.serviceid,
        "hostname": default_pointer(server.main_ip),
        "srvrname": server.srvrname,
        "ips": ",".join(_addresses(account, server)),
        "dedicatedip": server.main_ip,
        "ip_v6": _six(server),
    }


def addresses(account: HostwindsAccount, server: Server) -> Any:
    """Return the answer of get_instance_ips: seen live, or as it is documented."""
    if account.settings.answers == "documented":
        return [instance(account, server)]
    return {"success": {"IP Addresses": [{"ip": ip} for ip in _addresses(account, server)]}}


def _addresses(account: HostwindsAccount, server: Server) -> list[str]:
    if account.settings.address_lists == "plain":
        return list(server.ips)
    others = [address for address in server.ips if address != server.main_ip]
    return [
        _six(server),
        _private(server),
        f"{_six(server)}/64",
        *others,
        f"{_private(server)}/24",
        "",
        server.main_ip,
    ]


def _ips(account: HostwindsAccount, server: Server) -> Any:
    entries = _addresses(account, server)
    return {"array": entries, "text": ", ".join(entries), "null": None}[account.settings.ips]


def _six(server: Server) -> str:
    return f"2001:db8:48::{server.serviceid:x}"


def _private(server: Server) -> str:
    return f"10.0.{server.serviceid >> 8 & 255}.{server.serviceid & 255}"
