"""The emulated catalogue: sizes with prices, locations, images, firewall profiles."""

from __future__ import annotations

from typing import Any

LOCATIONS = [
    {"id": 12, "name": "Seattle"},
    {"id": 7, "name": "Dallas"},
    {"id": 9, "name": "Amsterdam"},
]
IMAGES = [
    {"uuid": "5d0f4f6e-debian-12", "name": "Debian 12"},
    {"uuid": "0c1b2a3d-ubuntu-2204", "name": "Ubuntu 22.04"},
]


def _size(rid: int, name: str, cpu: int, ram: int, disk: int, monthly: str) -> dict[str, Any]:
    """One line of the price list; sizes and prices are strings, as in the real API."""
    return {
        "id": str(rid),
        "name": name,
        "ram": str(ram),
        "cpu": str(cpu),
        "disk": str(disk),
        "bandwidth": "2",
        "monthly": monthly,
        "rid": str(rid),
        "promo": None,
        "resource": None,
    }


PRICES = {
    str(rid): _size(rid, name, cpu, ram, disk, monthly)
    for rid, name, cpu, ram, disk, monthly in (
        (51, "Unmanaged Linux 1 GB", 1, 1024, 30, "4.99"),
        (52, "Unmanaged Linux 2 GB", 1, 2048, 50, "9.99"),
        (53, "Unmanaged Linux 4 GB", 2, 4096, 75, "18.99"),
        (54, "Unmanaged Linux 8 GB", 4, 8192, 150, "38.99"),
    )
}


def _profile(name: str, *ports: int) -> dict[str, Any]:
    rules = [
        {
            "direction": "ingress",
            "ethertype": "IPv4",
            "protocol": "tcp",
            "port_range_min": port,
            "port_range_max": port,
            "description": "",
        }
        for port in ports
    ]
    everything = {
        "direction": "egress",
        "ethertype": "IPv4",
        "protocol": None,
        "port_range_min": None,
        "port_range_max": None,
        "description": "",
    }
    return {
        "id": name,
        "name": name,
        "description": "",
        "security_group_rules": [*rules, everything],
    }


PROFILES = {
    profile["name"]: profile
    for profile in (
        _profile("default", 22, 25, 80, 443, 465, 587, 993, 995),
        _profile("smtp", 25, 465, 587, 993, 995),
        _profile("web", 80, 443),
        _profile("custom", 22, 25, 465, 587, 993, 995),
    )
}
