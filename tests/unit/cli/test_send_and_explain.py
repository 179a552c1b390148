"""`penguin send` and `penguin explain` in front of an API that is played by a function."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from cli import api as client
from cli.faults import NOT_ACCEPTED
from cli.main import main
from tests.support.faults import assert_shows

ID = "019e0000-0000-7000-8000-000000000001"
MESSAGE = {
    "id": ID,
    "state": "accepted",
    "reason": None,
    "from": "sales@acme.example",
    "to": "bob@rcpt.example",
    "subject": "Hello",
    "message_id": "<1@acme.example>",
    "priority": 100,
    "address": "mx1-2",
    "queue_id": "4ABC",
    "attempts": 1,
}
DECISION = {
    "at": "2026-11-24T12:00:00.123456Z",
    "state": "accepted",
    "reason": "accepted",
    "message": "accepted by mx1-2.acme.example",
    "details": {"helo": "mx1-2.acme.example", "queue_id": "4ABC", "until": None},
}


class Api:
    """Answers like the tenant API; the states are what a message goes through."""

    def __init__(self, states: list[str]) -> None:
        self.states = states
        self.sent: list[dict[str, Any]] = []

    def request(self, method: str, url: str, **options: Any) -> httpx2.Response:
        request = httpx2.Request(method, url)
        if options["headers"]["Authorization"] != "Bearer key":
            problem = {"code": "auth.invalid", "detail": "wrong key", "remedy": "use another"}
            return httpx2.Response(401, json=problem, request=request)
        if method == "POST":
            self.sent.append(options["json"])
            self.asked_for = options["params"].get("tenant")
            return httpx2.Response(202, json={"id": ID}, request=request)
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        document = {"message": MESSAGE | {"state": state}, "stops": [], "decisions": [DECISION]}
        return httpx2.Response(200, json=document, request=request)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    played = Api(["accepted"])
    monkeypatch.setenv("PENGUIN_API_URL", "http://api.example")
    monkeypatch.setenv("PENGUIN_API_KEY", "key")
    monkeypatch.setattr(client.httpx2, "request", played.request)
    return played


def penguin(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["penguin", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


GOOD = ("--from", "sales@acme.example", "--to", "bob@rcpt.example", "--subject", "Hello")


def test_send_waits_until_the_host_has_it(api, monkeypatch, capsys):
    api.states = ["queued", "handing_over", "accepted"]
    monkeypatch.setattr("cli.send.POLL", 0)
    assert penguin(monkeypatch, "send", *GOOD, "--text", "Hi", "--wait", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["state"] == "accepted"
    assert api.sent[0]["text"] == "Hi"


def test_send_fails_when_the_mail_is_not_accepted(api, monkeypatch, capsys):
    api.states = ["cancelled"]
    assert penguin(monkeypatch, "send", *GOOD, "--text", "Hi", "--wait") == 1
    assert_shows(
        capsys.readouterr().err,
        NOT_ACCEPTED,
        state="cancelled",
        reason="the sender has not taken it yet",
        id=ID,
    )


def test_a_mail_file_is_read_and_options_overrule_it(api, monkeypatch, tmp_path):
    file = tmp_path / "mail.eml"
    file.write_text(
        "From: Sales <sales@acme.example>\nTo: ann@rcpt.example\nSubject: From file\n\nBody\n"
    )
    arguments = ("-f", str(file), "--to", "bob@rcpt.example", "--tenant", "acme")
    assert penguin(monkeypatch, "send", *arguments) == 0
    assert api.asked_for == "acme"
    assert api.sent == [
        {
            "from": "sales@acme.example",
            "from_name": "Sales",
            "to": "bob@rcpt.example",
            "subject": "From file",
            "text": "Body\n",
            "priority": 100,
        }
    ]


def test_what_is_missing_is_named(api, monkeypatch, capsys):
    assert penguin(monkeypatch, "send", "--subject", "Hello") == 1
    assert "--from, --to missing" in capsys.readouterr().err


def test_explain_shows_each_decision(api, monkeypatch, capsys):
    assert penguin(monkeypatch, "explain", "<1@acme.example>") == 0
    shown = capsys.readouterr().out
    for part in ("accepted", "mx1-2.acme.example", "4ABC", "12:00:00.123"):
        assert part in shown


def test_explain_in_a_pipe_fits_80_columns(api, monkeypatch, capsys):
    reply = "250 2.0.0 Ok: queued as 4fXyZ12k3mz9qR, thank you for a mail with such a long answer"
    details = {"address": "mx1-2", "ip": "198.18.1.12", "helo": "mx1-2.acme.example"}
    monkeypatch.setitem(DECISION, "details", details | {"reply": reply, "attempt": 1})
    monkeypatch.delenv("COLUMNS", raising=False)
    assert penguin(monkeypatch, "explain", ID) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert reply in " ".join(" ".join(lines).split())


def test_explain_says_states_in_words(api, monkeypatch, capsys):
    api.states = ["migrated_to_redis"]
    assert penguin(monkeypatch, "explain", ID) == 0
    assert "State:       ready to send" in capsys.readouterr().out


def test_a_refusal_of_the_api_is_shown_with_its_remedy(api, monkeypatch, capsys):
    monkeypatch.setenv("PENGUIN_API_KEY", "wrong")
    assert penguin(monkeypatch, "explain", ID) == 1
    shown = capsys.readouterr().err
    assert "error[auth.invalid]: wrong key" in shown
    assert "do: use another" in shown
