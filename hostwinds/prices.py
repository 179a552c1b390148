"""Reads the provider's price list; lines that cannot be read are passed over by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

NUMBER = re.compile(
    r"(?:\$|USD)?\s*(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?\s*(MB|GB|TB|\$|USD)?", re.IGNORECASE | re.ASCII
)
"""`9.99`, `1,024 MB`, `$38.99`. `38,99` may be either and is no number."""
MEGABYTES = {"MB": 1, "GB": 1024, "TB": 1024**2}
LARGEST_IN_GB = 255
"""The provider names no unit: a size up to this is in GB, a larger one in MB."""
MONTHS = {
    "monthly": 1,
    "quarterly": 3,
    "semiannually": 6,
    "annually": 12,
    "biennially": 24,
    "triennially": 36,
}
"""Columns of the list by billing cycle; it has no price by the hour."""


@dataclass(frozen=True)
class Offer:
    """One line of the price list."""

    rid: int
    name: str
    cpu: int
    ram_mb: int
    disk_mb: int
    cents: int
    """US cents a month, rounded up."""


def in_megabytes(size: Decimal | int) -> int:
    """Return a size that the provider gives without a unit."""
    return int(size * MEGABYTES["GB" if size <= LARGEST_IN_GB else "MB"])


class OddLine(Exception):
    """A line that is no fixed offer, with the reason."""


def read_prices(lines: Iterable[Mapping[str, Any]], cycle: str) -> tuple[list[Offer], list[str]]:
    """Return the offers of a billing cycle, cheapest first, and why other lines are passed over."""
    offers, odd = [], []
    for line in lines:
        try:
            offers.append(_offer(line, cycle))
        except OddLine as reason:
            odd.append(f"{line.get('name') or 'no name'} (rid {_short(line.get('rid'))}): {reason}")
    return sorted(offers, key=lambda offer: (offer.cents, offer.rid)), odd


def _offer(line: Mapping[str, Any], cycle: str) -> Offer:
    if line.get("resource"):
        raise OddLine("it is a custom plan")
    if cycle not in MONTHS:
        raise OddLine(f"it has no {cycle} price")
    cents = _without_size(line, cycle) * 100 / MONTHS[cycle]
    if cents <= 0:
        raise OddLine(f"{cycle} is {_short(line.get(cycle))}")
    return Offer(
        rid=_whole(line, "rid"),
        name=str(line.get("name") or ""),
        cpu=_whole(line, "cpu"),
        ram_mb=_megabytes(line, "ram"),
        disk_mb=_megabytes(line, "disk"),
        cents=int(cents.to_integral_value(ROUND_CEILING)),
    )


def _megabytes(line: Mapping[str, Any], key: str) -> int:
    size, unit = _number(line, key)
    return int(size * MEGABYTES[unit]) if unit else in_megabytes(size)


def _whole(line: Mapping[str, Any], key: str) -> int:
    number = _without_size(line, key)
    if number != int(number) or number <= 0:
        raise OddLine(f"{key} is {_short(line.get(key))}")
    return int(number)


def _without_size(line: Mapping[str, Any], key: str) -> Decimal:
    number, unit = _number(line, key)
    if unit:
        raise OddLine(f"{key} is {_short(line.get(key))}")
    return number


def _number(line: Mapping[str, Any], key: str) -> tuple[Decimal, str]:
    """Return a number and its unit of size, which may be empty."""
    value = line.get(key)
    text = str(value).strip() if isinstance(value, str | int | float) else ""
    match = NUMBER.fullmatch(text)
    if match is None or isinstance(value, bool):
        raise OddLine(f"{key} is {_short(value)}")
    whole, fraction, unit = match.groups()
    size = (unit or "").upper()
    return Decimal(whole.replace(",", "") + (fraction or "")), size if size in MEGABYTES else ""


def _short(value: Any) -> str:
    if isinstance(value, dict | list):
        return "nested"
    return f"{str(value)[:30]!r}" if value not in (None, "") else "empty"
