"""`penguin warmup` against a fake API."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from cli.environment import Environment
from cli.faults import USAGE
from cli.warmup import FORMS
from controlplane.holds.schemas import EXAMPLE_RESPONSE as HOLD_RESPONSE
from controlplane.tenants.schemas import EXAMPLE_RESPONSE as TENANT
from controlplane.warmup.schemas import ALL_SET, EXAMPLE_RESPONSE
from tests.support.command_line import run
from tests.support.faults import assert_shows

HOLD = HOLD_RESPONSE | {"words": "its host refuses", "until": "2026-11-24T18:00:00Z"}
MAILBOX = EXAMPLE_RESPONSE | {
    "kind": "mailbox",
    "name": "sales@acme.example",
    "cap": 150,
    "daily_cap": 50,
    "hold": HOLD | {"until": None},
}
COLUMNS = ["TENANT", "SUBJECT", "DAY", "CAP", "TODAY", "HELD", "UNTIL", "REASON"]
PAGES: dict[str, Any] = {
    "/api/v1/tenants": {"items": [TENANT], "next": None},
    "/api/v1/tenants/acme/warmup": {"items": [EXAMPLE_RESPONSE, MAILBOX], "next": None},
}


class Api:
    """Answers with one warm-up, one tenant and its two."""

    def __init__(self) -> None:
        self.query: dict[str, str] = {}
        self.path = ""
        self.body: dict[str, Any] = {}

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.path = request.url.path
        self.query = dict(request.url.params)
        if request.method == "POST":
            self.body = json.loads(request.content)
            shown = ALL_SET if self.path.startswith("/api/v1/tenants/") else EXAMPLE_RESPONSE
        else:
            shown = PAGES.get(self.path, EXAMPLE_RESPONSE)
        return httpx2.Response(200, json=shown, request=request)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setenv("PENGUIN_API_URL", "http://api.example")
    monkeypatch.setenv("PENGUIN_API_KEY", "key")
    return Api()


def penguin(api: Api, *arguments: str) -> int:
    transport = httpx2.MockTransport(api.answer)
    return run("warmup", *arguments, environment=Environment(lambda _: None, transport))


def test_show_prints_day_and_what_is_left(api: Api, capsys):
    assert penguin(api, "show", "provider/198.18.1.2/google") == 0
    assert api.query == {"kind": "provider", "name": "198.18.1.2/google"}
    shown = capsys.readouterr().out
    assert "12, 108 mails a day; 28 good days to 1200" in shown
    assert penguin(api, "show", "address/198.18.1.2", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["day"] == 12


@pytest.mark.parametrize(
    "arguments", [(), ("--tenant", "acme"), ("tenant/acme",), ("--kind", "mailbox")], ids=str
)
def test_show_without_a_subject_lists_those_of_a_tenant_or_of_all(api: Api, arguments, capsys):
    assert penguin(api, "show", *arguments) == 0
    heading, address, mailbox = capsys.readouterr().out.splitlines()
    assert heading.split() == COLUMNS
    assert address.split() == ["acme", "address/198.18.1.2", "12", "108", "40", "-", "-"]
    row = "acme mailbox/sales@acme.example 12 50 40 it is ended its host refuses"
    assert " ".join(mailbox.split()) == row
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
def test_show_of_contradicting_options_is_refused(api: Api, arguments, mistake, capsys):
    assert penguin(api, "show", *arguments) == 1
    assert mistake in capsys.readouterr().err
    assert api.path == ""


def test_set_of_a_tenant_sets_everything_of_it(api: Api, capsys):
    arguments = ("set", "tenant/acme", "--day", "1000", "--reason", "moved here")
    assert penguin(api, *arguments) == 0
    assert api.path == "/api/v1/tenants/acme/warmup"
    assert api.body == {"day": 1000, "reason": "moved here"}
    assert capsys.readouterr().out == (
        "tenant/acme is on day 1000: 2 addresses at 26 providers, 1 domains, 1 mailboxes\n"
    )


def test_set_sends_day_and_reason(api: Api, capsys):
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
def test_subject_without_a_warm_up_is_refused(api: Api, subject: str, capsys):
    assert penguin(api, "show", subject) == 1
    assert_shows(
        capsys.readouterr().err,
        USAGE,
        mistake=f"{subject} has no warm-up",
        remedy=f"give {FORMS}",
    )
