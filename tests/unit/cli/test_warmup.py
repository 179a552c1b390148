"""`penguin warmup` against a fake API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cli.faults import USAGE
from cli.warmup import FORMS
from controlplane.holds.schemas import EXAMPLE_RESPONSE as HOLD_RESPONSE
from controlplane.tenants.schemas import EXAMPLE_RESPONSE as TENANT
from controlplane.warmup.schemas import ALL_SET, EXAMPLE_RESPONSE
from tests.support.faults import assert_shows
from tests.support.recording_api import RecordingApi

HOLD = HOLD_RESPONSE | {"words": "its host refuses", "until": "2026-11-24T18:00:00Z"}
MAILBOX = EXAMPLE_RESPONSE | {
    "kind": "mailbox",
    "name": "sales@acme.example",
    "cap": 150,
    "daily_cap": 50,
    "hold": HOLD | {"until": None},
}
COLUMNS = ["TENANT", "SUBJECT", "DAY", "CAP", "TODAY", "HELD", "UNTIL", "REASON", "RELEASE"]
PAGES: dict[str, Any] = {
    "/tenants": {"items": [TENANT], "next": None},
    "/tenants/acme/warmup": {"items": [EXAMPLE_RESPONSE, MAILBOX], "next": None},
}


def answer(method: str, path: str, body: dict[str, Any]) -> object:
    """Answer with one warm-up, one tenant and its two."""
    if method == "POST":
        return ALL_SET if path.startswith("/tenants/") else EXAMPLE_RESPONSE
    return PAGES.get(path, EXAMPLE_RESPONSE)


@pytest.fixture
def api(configured: None) -> RecordingApi:
    return RecordingApi(answer)


def penguin(api: RecordingApi, *arguments: str) -> int:
    return api.penguin("warmup", *arguments)


def test_show_prints_day_and_what_is_left(api: RecordingApi, capsys):
    assert penguin(api, "show", "provider/198.18.1.2/google") == 0
    assert api.query == {"kind": "provider", "name": "198.18.1.2/google"}
    shown = capsys.readouterr().out
    assert "12, 108 mails a day; 28 good days to 1200" in shown
    assert penguin(api, "show", "address/198.18.1.2", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["day"] == 12


@pytest.mark.parametrize(
    "arguments", [(), ("--tenant", "acme"), ("tenant/acme",), ("--kind", "mailbox")], ids=str
)
def test_show_without_a_subject_lists_those_of_a_tenant_or_of_all(
    api: RecordingApi, arguments, capsys
):
    assert penguin(api, "show", *arguments) == 0
    heading, address, mailbox = capsys.readouterr().out.splitlines()
    assert heading.split() == COLUMNS
    assert address.split() == ["acme", "address/198.18.1.2", "12", "108", "40", "-", "-", "-"]
    row = "acme mailbox/sales@acme.example 12 50 40 no end its host refuses `penguin holds end`, or"
    assert " ".join(mailbox.split()).startswith(row)
    assert api.query.get("kind") == ("mailbox" if "--kind" in arguments else None)
    assert penguin(api, "show", *arguments, "-o", "json") == 0
    assert [one["cap"] for one in json.loads(capsys.readouterr().out)] == [108, 150]


@pytest.mark.parametrize(
    ("arguments", "mistake"),
    [
        (("tenant/acme", "--tenant", "acme"), "the tenant is given twice"),
        (("address/198.18.1.2", "-t", "acme"), "address/198.18.1.2 is one subject"),
        (("address/198.18.1.2", "--kind", "address"), "address/198.18.1.2 is one subject"),
        (("--kind", "tenant"), "Invalid value for '--kind'"),
    ],
    ids=str,
)
def test_show_of_contradicting_options_is_refused(api: RecordingApi, arguments, mistake, capsys):
    assert penguin(api, "show", *arguments) == 1
    assert mistake in capsys.readouterr().err
    assert api.path == ""


def test_set_of_a_tenant_sets_everything_of_it(api: RecordingApi, capsys):
    arguments = ("set", "tenant/acme", "--day", "1000", "--reason", "moved here")
    assert penguin(api, *arguments) == 0
    assert api.path == "/tenants/acme/warmup"
    assert api.body == {"day": 1000, "reason": "moved here"}
    assert capsys.readouterr().out == (
        "tenant/acme is on day 1000: 2 addresses at 26 providers, 1 domains, 1 mailboxes\n"
    )


def test_set_sends_day_and_reason(api: RecordingApi, capsys):
    arguments = ("set", "address/198.18.1.2", "--day", "12", "--reason", "moved here")
    assert penguin(api, *arguments) == 0
    assert api.body == {
        "kind": "address",
        "name": "198.18.1.2",
        "day": 12,
        "reason": "moved here",
    }
    assert capsys.readouterr().out == "address/198.18.1.2 is on day 12: 108 mails a day\n"


@pytest.mark.parametrize("subject", ["mx1-2", "host/mx1", "address/"])
def test_subject_without_a_warm_up_is_refused(api: RecordingApi, subject: str, capsys):
    assert penguin(api, "show", subject) == 1
    assert_shows(
        capsys.readouterr().err,
        USAGE,
        mistake=f"{subject} has no warm-up",
        remedy=f"give {FORMS}",
    )
