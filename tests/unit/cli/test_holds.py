"""`penguin holds` against a fake API."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.faults import USAGE
from cli.holds import FORMS
from controlplane.holds.schemas import EXAMPLE_RESPONSE
from tests.support.faults import assert_shows
from tests.support.recording_api import RecordingApi

WHY = ("--reason", "421 to every mail")


def answer(method: str, path: str, body: dict[str, Any]) -> object:
    """Answer with one hold; only that of Google can be ended."""
    if method == "GET":
        return {"items": [EXAMPLE_RESPONSE], "next": None}
    return {"changed": body["name"] == "google"} if path == "/holds/end" else EXAMPLE_RESPONSE


@pytest.fixture
def api(configured: None) -> RecordingApi:
    return RecordingApi(answer)


def penguin(api: RecordingApi, *arguments: str) -> int:
    return api.penguin("holds", *arguments)


def test_list_shows_what_is_held_until_when_and_by_whom(api: RecordingApi, capsys):
    assert penguin(api, "list", "--tenant", "acme") == 0
    assert api.query["tenant"] == "acme"
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["SUBJECT", "TENANT", "REASON", "SINCE", "UNTIL", "ACTOR", "RELEASE"]
    assert row.startswith("provider/google  (all)")
    assert row.endswith("pm_live_3fK9aQ2z  `penguin holds end`, or its end, if it has one")
    assert penguin(api, "list", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out) == [EXAMPLE_RESPONSE]


def test_add_takes_a_time_or_a_duration_or_neither(api: RecordingApi, capsys):
    assert penguin(api, "add", "provider/198.18.1.2/google", *WHY) == 0
    assert api.body == {"kind": "provider", "name": "198.18.1.2/google", "reason": WHY[1]}
    assert capsys.readouterr().out.startswith("provider/google is held until 2126-11-24 ")
    assert penguin(api, "add", "tenant/acme", *WHY, "--until", "2199-01-01T00:00:00Z") == 0
    assert api.body["until"] == "2199-01-01T00:00:00Z"
    assert penguin(api, "add", "tenant/acme", *WHY, "--until", "2h") == 0
    ahead = datetime.fromisoformat(api.body["until"]) - datetime.now(UTC)
    assert timedelta(hours=1, minutes=59) < ahead <= timedelta(hours=2)


def test_hold_without_an_end_says_so_and_what_ends_it(configured: None, capsys):
    endless = EXAMPLE_RESPONSE | {"until": None}
    api = RecordingApi(
        lambda method, *_: {"items": [endless], "next": None} if method == "GET" else endless
    )
    assert penguin(api, "add", "provider/google", *WHY) == 0
    added = "provider/google is held without an end; what releases it: `penguin holds end`, or"
    assert capsys.readouterr().out.startswith(added)
    assert penguin(api, "list") == 0
    assert "  no end  " in capsys.readouterr().out


def test_end_says_whether_anything_was_held(api: RecordingApi, capsys):
    assert penguin(api, "end", "provider/google", *WHY) == 0
    assert penguin(api, "end", "domain/acme.example", *WHY) == 0
    assert capsys.readouterr().out.splitlines() == [
        "provider/google is not held any more",
        "domain/acme.example unchanged: it was not held",
    ]


@pytest.mark.parametrize("subject", ["google", "campaign/autumn", "address/"])
def test_subject_that_cannot_be_held_is_refused(api: RecordingApi, subject: str, capsys):
    for command in ("add", "end"):
        assert penguin(api, command, subject, *WHY) == 1
        shown = capsys.readouterr().err
        mistake = f"{subject} cannot be held"
        assert_shows(shown, USAGE, mistake=mistake, remedy=f"give {FORMS}")
    assert api.body == {}
