"""Price lines are read as the provider writes them; odd ones are passed over by name."""

from __future__ import annotations

from typing import Any

import pytest

from hostwinds.prices import read_prices

LINE = {"rid": "54", "name": "Linux 8", "cpu": "4", "ram": "8192", "disk": "150"}


@pytest.mark.parametrize(
    ("changed", "offered"),
    [
        ({}, (4, 8192, 153600, 3899)),
        ({"ram": "8", "disk": "150 GB"}, (4, 8192, 153600, 3899)),
        ({"ram": "8GB", "disk": "153,600 MB"}, (4, 8192, 153600, 3899)),
        ({"ram": "8,192", "disk": "0.25 TB"}, (4, 8192, 262144, 3899)),
        ({"monthly": "$38.99", "cpu": 4}, (4, 8192, 153600, 3899)),
        ({"monthly": "1,038.99"}, (4, 8192, 153600, 103899)),
        ({"monthly": 38.99}, (4, 8192, 153600, 3899)),
        ({"monthly": "38.991"}, (4, 8192, 153600, 3900)),
        ({"resource": None, "cycles": ["monthly"], "promo": {}}, (4, 8192, 153600, 3899)),
    ],
)
def test_line_is_read(changed: dict[str, Any], offered: tuple[int, ...]) -> None:
    [offer], odd = read_prices([{**LINE, "monthly": "38.99", **changed}], "monthly")
    assert (offer.cpu, offer.ram_mb, offer.disk_mb, offer.cents) == offered
    assert odd == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"monthly": ""}, "monthly is empty"),
        ({"monthly": None}, "monthly is empty"),
        ({"monthly": "0.00"}, "monthly is '0.00'"),
        ({"monthly": 0}, "monthly is '0'"),
        ({"monthly": "-5"}, "monthly is '-5'"),
        ({"monthly": "nan"}, "monthly is 'nan'"),
        ({"monthly": float("inf")}, "monthly is 'inf'"),
        ({"monthly": "38,99"}, "monthly is '38,99'"),
        ({"monthly": {"price": "38.99"}}, "monthly is nested"),
        ({"monthly": True}, "monthly is 'True'"),
        ({"monthly": "free"}, "monthly is 'free'"),
        ({"monthly": "38.99 GB"}, "monthly is '38.99 GB'"),
        ({"monthly": "€38.99"}, "monthly is '€38.99'"),
        ({"monthly": "38.99/mo"}, "monthly is '38.99/mo'"),
        ({"monthly": "٣٨"}, "monthly is '٣٨'"),
        ({"resource": {"monthly": "38.99"}}, "it is a custom plan"),
        ({"cpu": ""}, "cpu is empty"),
        ({"cpu": "1.5"}, "cpu is '1.5'"),
        ({"cpu": "4 GB"}, "cpu is '4 GB'"),
        ({"ram": "lots"}, "ram is 'lots'"),
        ({"disk": None}, "disk is empty"),
        ({"rid": ""}, "rid is empty"),
    ],
)
def test_odd_line_is_passed_over_and_named(changed: dict[str, Any], reason: str) -> None:
    offers, [odd] = read_prices([{**LINE, "monthly": "38.99", **changed}], "monthly")
    assert offers == []
    assert odd.startswith("Linux 8 (rid ")
    assert odd.endswith(reason)


def test_price_of_another_cycle_is_that_of_a_month() -> None:
    lines = [{**LINE, "monthly": "38.99", "annually": "400.00", "hourly": "0.05"}]
    assert [offer.cents for offer in read_prices(lines, "annually")[0]] == [3334]
    assert read_prices(lines, "quarterly")[0] == []
    assert read_prices(lines, "hourly")[0] == []


def test_offers_are_cheapest_first() -> None:
    lines = [{**LINE, "rid": rid, "monthly": price} for rid, price in ((1, "9"), (2, "8"))]
    assert [offer.rid for offer in read_prices(lines, "monthly")[0]] == [2, 1]
