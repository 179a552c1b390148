"""`penguin limits` against a fake API."""

from __future__ import annotations

import pytest

from cli.faults import USAGE
from controlplane.limits.schemas import EXAMPLE
from tests.support.recording_api import RecordingApi

WHY = ("--reason", "the budget")
PLATFORM = EXAMPLE | {"scope": "platform", "tenant": None, "orders_a_day": 10}


@pytest.fixture
def api(configured: None) -> RecordingApi:
    listed = {"items": [PLATFORM, EXAMPLE], "next": None}
    return RecordingApi(lambda method, _, __: listed if method == "GET" else PLATFORM)


def test_limits_are_listed_with_what_they_hold_for(api: RecordingApi, capsys) -> None:
    assert api.penguin("limits", "list", "-o", "json") == 0
    assert '"monthly_usd_cents": 50000' in capsys.readouterr().out
    assert api.penguin("limits", "list") == 0
    shown = capsys.readouterr().out
    for word in ("platform", "tenant/acme", "500.00", "as tenants"):
        assert word in shown


@pytest.mark.parametrize(
    ("words", "path", "body"),
    [
        (
            ["platform", "--monthly", "500"],
            "/platform/limits",
            {"scope": "platform", "monthly_usd_cents": 50000},
        ),
        (
            ["tenants", "--monthly", "45.5", "--orders-a-day", "none"],
            "/platform/limits",
            {"scope": "tenants", "monthly_usd_cents": 4550, "orders_a_day": None},
        ),
        (["tenant/acme", "--orders-a-day", "3"], "/tenants/acme/limits", {"orders_a_day": 3}),
    ],
)
def test_limits_are_set_for_what_is_named(api: RecordingApi, capsys, words, path, body) -> None:
    assert api.penguin("limits", "set", *words, *WHY) == 0
    assert (api.path, api.body) == (path, body | {"reason": "the budget"})
    assert capsys.readouterr().out == f"{words[0]}: USD a month 500.00, orders a day 10\n"


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        (["platform"], "no limit is given"),
        (["acme", "--monthly", "5"], "acme has no limits"),
        (["host/mx1", "--monthly", "5"], "host/mx1 has no limits"),
        (["platform", "--monthly", "-5"], "-5 is not a price"),
        (["platform", "--monthly", "1e3"], "1e3 is not a price"),
        (["platform", "--orders-a-day", "2.5"], "2.5 is not a whole number"),
    ],
)
def test_wrong_limits_are_refused_before_a_request(
    api: RecordingApi, capsys, words, mistake
) -> None:
    assert api.penguin("limits", "set", *words, *WHY) != 0
    shown = capsys.readouterr().err
    assert mistake in shown
    assert USAGE.name in shown
    assert "Traceback" not in shown
    assert api.path == ""
