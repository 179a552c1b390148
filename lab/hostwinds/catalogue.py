"""The emulated catalogue: sizes with prices, locations, images."""

from __future__ import annotations

from typing import Any

from lab.hostwinds.errors import ProviderError
from lab.hostwinds.switches import Settings

LOCATIONS = [
    {"id": 12, "name": "Seattle"},
    {"id": 7, "name": "Dallas"},
    {"id": 9, "name": "Amsterdam"},
]
IMAGES = [
    {"uuid": "9e2b71c4-debian-13", "name": "Debian 13"},
    {"uuid": "0c1b2a3d-ubuntu-2204", "name": "Ubuntu 22.04"},
]
MONTHS = {
    "monthly": 1,
    "quarterly": 3,
    "semiannually": 6,
    "annually": 12,
    "biennially": 24,
    "triennially": 36,
}
ADDRESS_USD = "4.99"
"""Monthly price of a further address."""
ADDRESS_CHANGE_USD = "3.00"
CLEANUP_USD = "10.00"

PLANS: dict[str, dict[str, Any]] = {
    str(rid): {"name": name, "cpu": cpu, "ram_gb": ram, "disk": disk, "monthly": monthly}
    for rid, name, cpu, ram, disk, monthly in (
        (51, "Unmanaged Linux 1 GB", 1, 1, 30, "4.99"),
        (52, "Unmanaged Linux 2 GB", 1, 2, 50, "9.99"),
        (53, "Unmanaged Linux 4 GB", 2, 4, 75, "18.99"),
        (54, "Unmanaged Linux 8 GB", 4, 8, 150, "38.99"),
    )
}
"""The fixed plans by `rid`."""


def cycle(action: str, name: str) -> str:
    """Return a billing cycle that can be chosen; raises ProviderError."""
    if name == "hourly":
        message = "Hourly products are disabled! Please contact customer service."
        raise ProviderError(action, message)
    if name not in MONTHS:
        raise ProviderError(action, "The billing cycle is invalid.")
    return name


def monthly(rid: str, settings: Settings) -> str:
    """Return what a plan costs by now."""
    return settings.prices.get(rid, str(PLANS[rid]["monthly"]))


def price_list(settings: Settings) -> Any:
    """Return the price list in the form that the settings choose."""
    lines = [_line(rid, settings) for rid in PLANS]
    if settings.price_lines == "odd":
        lines = [*_odd_lines(), *lines]
    if settings.price_list == "array":
        return lines
    return {line["id"]: line for line in lines}


def _line(rid: str, settings: Settings) -> dict[str, Any]:
    """One line of the price list; sizes and prices are texts, as in the real API."""
    plan = PLANS[rid]
    ram = plan["ram_gb"] * (1024 if settings.size_unit == "MB" else 1)
    price = monthly(rid, settings)
    return {
        "id": rid,
        "name": plan["name"],
        "ram": str(ram),
        "cpu": str(plan["cpu"]),
        "disk": str(plan["disk"]),
        "bandwidth": "2",
        **{cycle: f"{float(price) * count:.2f}" for cycle, count in MONTHS.items()},
        "mysort": int(rid),
        "current": 0,
        "promo": {},
        "percent": 0,
        "rid": int(rid),
        "mtotal": price,
        "cycles": {"monthly": price},
        "firsts": [],
        "resource": None,
    }


def _odd_lines() -> list[dict[str, Any]]:
    """Return lines that no one can order by mistake, cheaper than every plan where they can."""
    first = _line("52", Settings())
    return [
        # a custom plan: the prices are nested, its sizes are the customer's choice
        {
            "id": "90",
            "rid": 90,
            "name": "Custom",
            "resource": "custom",
            "pricing": {"cpu": {"1": "1.00"}, "ram": {"1": "1.00"}, "disk": {"10": "1.00"}},
        },
        {**first, "id": "91", "rid": 91, "name": "Custom 2", "ram": None, "monthly": None},
        {**first, "id": "92", "rid": 92, "name": "No price", "monthly": ""},
        {**first, "id": "93", "rid": 93, "name": "Test", "monthly": "0.00"},
        {**first, "id": "94", "rid": 94, "name": "Free", "monthly": "0"},
        {**first, "id": "95", "rid": 95, "name": "On request", "monthly": "N/A"},
        {**first, "id": "96", "rid": 96, "name": "Credit", "monthly": "-5.00"},
        {
            **first,
            "id": "97",
            "rid": 97,
            "name": "Dedicated 64 GB",
            "cpu": "16 Cores",
            "ram": "65,536 MB",
            "disk": "1,000 GB",
            "monthly": "$1,299.00",
        },
    ]
