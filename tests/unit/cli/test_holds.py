"""`penguin holds` against a fake API."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from cli.environment import Environment
from cli.faults import USAGE
from cli.holds import FORMS
from controlplane.holds.schemas import EXAMPLE_RESPONSE
from tests.support.command_line import run
from tests.support.faults import assert_shows

WHY = ("--reason", "421 to every mail")


class Api:
    """Answers with one hold."""

    def __init__(self) -> None:
        self.query: dict[str, str] = {}
        self.body: dict[str, Any] = {}

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.query = dict(request.url.params)
        shown: dict[str, Any] = {"items": [EXAMPLE_RESPONSE], "next": None}
        if request.method == "POST":
            self.body = json.loads(request.content)
            is_end = request.url.path.endswith("/end")
            shown = (
                {"changed": "google" in request.content.decode()} if is_end else EXAMPLE_RESPONSE
            )
        return httpx2.Response(200, json=shown, request=request)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setenv("PENGUIN_API_URL", "http://api.example")
    monkeypatch.setenv("PENGUIN_API_KEY", "key")
    return Api()


def penguin(api: Api, *arguments: str) -> int:
    transport = httpx2.MockTransport(api.answer)
    return run("holds", *arguments, environment=Environment(lambda _: None, transport))


def test_list_shows_what_is_held_until_when_and_by_whom(api: Api, capsys):
    assert penguin(api, "list", "--tenant", "acme") == 0
    assert api.query["tenant"] == "acme"
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["SUBJECT", "TENANT", "REASON", "SINCE", "UNTIL", "ACTOR"]
    assert row.startswith("provider/google  (all)")
    assert row.endswith("pm_live_3fK9aQ2z")
    assert penguin(api, "list", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out) == [EXAMPLE_RESPONSE]


def test_add_takes_a_time_or_a_duration_or_neither(api: Api, capsys):
    assert penguin(api, "add", "provider/198.18.1.2/google", *WHY) == 0
    assert api.body == {"kind": "provider", "name": "198.18.1.2/google", "reason": WHY[1]}
    assert capsys.readouterr().out.startswith("provider/google is held until 2126-11-24 ")
    assert penguin(api, "add", "tenant/acme", *WHY, "--until", "2199-01-01T00:00:00Z") == 0
    assert api.body["until"] == "2199-01-01T00:00:00Z"
    assert penguin(api, "add", "tenant/acme", *WHY, "--until", "2h") == 0
    ahead = datetime.fromisoformat(api.body["until"]) - datetime.now(UTC)
    assert timedelta(hours=1, minutes=59) < ahead <= timedelta(hours=2)


def test_end_says_whether_anything_was_held(api: Api, capsys):
    assert penguin(api, "end", "provider/google", *WHY) == 0
    assert penguin(api, "end", "domain/acme.example", *WHY) == 0
    assert capsys.readouterr().out.splitlines() == [
        "provider/google is not held any more",
        "domain/acme.example unchanged: it was not held",
    ]


@pytest.mark.parametrize("subject", ["google", "campaign/autumn", "address/"])
def test_subject_that_cannot_be_held_is_refused(api: Api, subject: str, capsys):
    for command in ("add", "end"):
        assert penguin(api, command, subject, *WHY) == 1
        shown = capsys.readouterr().err
        mistake = f"{subject} cannot be held"
        assert_shows(shown, USAGE, mistake=mistake, remedy=f"give {FORMS}")
    assert api.body == {}
