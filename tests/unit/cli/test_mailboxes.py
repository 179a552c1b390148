"""`penguin mailboxes` against a fake API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cli.faults import UNCONFIRMED, USAGE
from controlplane.inventory.schemas import MAILBOX
from controlplane.mailboxes.schemas import SETTINGS, TOKEN
from tests.support.faults import assert_shows
from tests.support.recording_api import RecordingApi

ADDRESS = "ann@acme.example"
BOX = "/tenants/acme/mailboxes/ann@acme.example"


def answer(method: str, path: str, body: dict[str, Any]) -> object:
    """Answer for one mailbox."""
    if path == "/mailboxes":
        return {"items": [MAILBOX | {"tenant": "acme", "name": ADDRESS}], "next": None}
    if path == f"{BOX}/settings":
        return SETTINGS
    if path == f"{BOX}/password":
        return {"password": "a-new-password"}
    if method == "POST":
        return {"name": body["name"], "token": "3f" * 16}
    return {"items": [TOKEN]}


@pytest.fixture
def api(configured: None) -> RecordingApi:
    return RecordingApi(answer)


def penguin(api: RecordingApi, *arguments: str) -> int:
    return api.penguin("mailboxes", *arguments)


def test_a_token_is_shown_with_its_name(api: RecordingApi, capsys):
    assert penguin(api, "token", ADDRESS.upper(), "--name", "Thunderbird") == 0
    assert (api.path, api.body) == (f"{BOX}/tokens", {"name": "Thunderbird"})
    line, token = capsys.readouterr().out.splitlines()
    assert line.endswith("made; it is shown only now:")
    assert token == "3f" * 16


def test_tokens_are_listed(api: RecordingApi, capsys):
    assert penguin(api, "tokens", ADDRESS) == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["NAME", "CREATED", "NETWORKS"]
    assert row.split() == ["Thunderbird", "2026-11-24", "(all)"]
    assert penguin(api, "tokens", ADDRESS, "-o", "json") == 0
    assert json.loads(capsys.readouterr().out) == [TOKEN]


def test_a_token_is_revoked_by_its_name(api: RecordingApi, capsys):
    assert penguin(api, "revoke", ADDRESS, "lost phone", "--yes") == 0
    assert api.path == f"{BOX}/tokens/lost phone"
    assert capsys.readouterr().out == f"token lost phone of {ADDRESS} revoked\n"


@pytest.mark.parametrize("arguments", [("revoke", ADDRESS, "Phone"), ("password", ADDRESS)])
def test_what_locks_a_person_out_asks_first(api: RecordingApi, capsys, arguments):
    assert penguin(api, *arguments) == 1
    assert_shows(capsys.readouterr().err, UNCONFIRMED, reason=..., command=...)
    assert api.path == ""


def test_a_new_password_is_shown(api: RecordingApi, capsys):
    assert penguin(api, "password", ADDRESS, "--yes") == 0
    assert capsys.readouterr().out.splitlines()[1] == "a-new-password"


def test_settings_say_what_a_person_enters(api: RecordingApi, capsys):
    assert penguin(api, "settings", ADDRESS) == 0
    shown = capsys.readouterr().out
    assert "IMAP, mx1.acme.example, port 993, SSL/TLS" in shown
    assert "SMTP, mx1.acme.example, port 465, SSL/TLS" in shown
    assert f"penguin mailboxes token {ADDRESS}" in shown


def test_an_address_that_is_no_mailbox_is_said(configured: None, capsys):
    api = RecordingApi(lambda *_: {"items": [], "next": None})
    assert penguin(api, "tokens", "no@acme.example") == 1
    mistake, remedy = "there is no mailbox no@acme.example", ...
    assert_shows(capsys.readouterr().err, USAGE, mistake=mistake, remedy=remedy)
