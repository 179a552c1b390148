"""`penguin send` and `penguin explain` against a fake API."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from cli.environment import Environment
from cli.faults import HEADER_REFUSED, NOT_ACCEPTED
from cli.times import moment
from controlplane.messages.schemas import EXAMPLE_RESPONSE, ID
from sender.schemas import OutgoingMessage
from tests.support.command_line import run
from tests.support.faults import assert_shows

DECISION = {
    "at": "2026-11-24T12:00:00.123456Z",
    "kind": "outcome",
    "state": "accepted",
    "reason": "accepted",
    "message": "accepted by mx1-2.acme.example",
    "details": {"helo": "mx1-2.acme.example", "queue_id": "4ABC", "until": None},
}
REFUSED = {"title": "Unauthorized", "status": 401, "code": "auth.invalid", "detail": "wrong key"}
REFUSED |= {"remedy": "use another", "retryable": False, "acts": "user"}


class Api:
    """Answers like the tenant API; `states` are the successive states of a message."""

    def __init__(
        self, *states: str, decision: dict[str, Any] | None = None, reason: str | None = None
    ) -> None:
        self.states = list(states or ["accepted"])
        self.reason = reason
        self.decision = decision or DECISION
        self.sent: list[dict[str, Any]] = []
        self.tenant: str | None = None

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request."""
        if request.headers["Authorization"] != "Bearer key":
            return httpx2.Response(401, json=REFUSED, request=request)
        if request.method == "POST":
            self.sent.append(json.loads(request.content))
            self.tenant = request.url.params.get("tenant")
            return httpx2.Response(202, json={"id": ID}, request=request)
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        message = EXAMPLE_RESPONSE | {"state": state, "reason": self.reason}
        document = {"message": message, "stops": [], "decisions": [self.decision]}
        return httpx2.Response(200, json=document, request=request)


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENGUIN_API_URL", "http://api.example")
    monkeypatch.setenv("PENGUIN_API_KEY", "key")


def penguin(api: Api, *arguments: str) -> int:
    """Run the command line against a fake API, without pauses."""
    transport = httpx2.MockTransport(api.answer)
    return run(*arguments, environment=Environment(lambda _: None, transport))


GOOD = ("--from", "sales@acme.example", "--to", "bob@rcpt.example", "--subject", "Hello")


def test_send_with_wait_returns_once_the_message_is_accepted(capsys):
    api = Api("queued", "handing_over", "accepted")
    assert penguin(api, "send", *GOOD, "--text", "Hi", "--wait", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["state"] == "accepted"
    assert api.sent[0]["text"] == "Hi"


def test_send_with_wait_fails_when_the_message_is_not_accepted(capsys):
    api = Api("cancelled")
    assert penguin(api, "send", *GOOD, "--text", "Hi", "--wait") == 1
    assert_shows(
        capsys.readouterr().err,
        NOT_ACCEPTED,
        state="cancelled",
        reason="the sender has not taken it yet",
        id=ID,
    )


def test_send_with_wait_says_why_a_message_is_held_and_what_releases_it(capsys):
    words = "the tenant is held: complaints"
    decision = {"kind": "held", "state": "held", "reason": "held", "message": words}
    api = Api("held", reason="held", decision=DECISION | decision)
    assert penguin(api, "send", *GOOD, "--text", "Hi", "--wait", "--timeout", "0s") == 1
    why = f"{words}; what releases it: `penguin holds end`, or its end, if it has one"
    shown = capsys.readouterr().err
    assert_shows(shown, NOT_ACCEPTED, state="held", reason=f"{why}; held without an end", id=ID)
    end = datetime(2026, 11, 24, 18, tzinfo=UTC)
    api = Api(
        "held", reason="held", decision=DECISION | decision | {"details": {"until": str(end)}}
    )
    assert penguin(api, "send", *GOOD, "--text", "Hi", "--wait", "--timeout", "0s") == 1
    shown = capsys.readouterr().err
    assert_shows(
        shown, NOT_ACCEPTED, state="held", reason=f"{why}; held until {moment(end)}", id=ID
    )


def test_explain_says_that_a_hold_has_no_end_and_what_releases_it(capsys):
    decision = {"kind": "held", "state": "held", "reason": "held", "message": "complaints"}
    api = Api("held", reason="held", decision=DECISION | decision | {"details": {"until": None}})
    assert penguin(api, "explain", ID) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.endswith("complaints without an end")
    assert "until `penguin holds end`" in shown


def test_send_with_wait_says_that_no_sender_has_taken_a_message(capsys):
    enqueued = {"kind": "enqueued", "state": "queued", "reason": None, "message": "queued for bob"}
    api = Api("queued", decision=DECISION | enqueued)
    assert penguin(api, "send", *GOOD, "--text", "Hi", "--wait", "--timeout", "0s") == 1
    reason = "the sender has not taken it yet"
    assert_shows(capsys.readouterr().err, NOT_ACCEPTED, state="queued", reason=reason, id=ID)


def test_send_with_wait_says_what_a_reason_means_where_no_decision_does(capsys):
    api = Api("unknown", reason="worker_lost")
    assert penguin(api, "send", *GOOD, "--text", "Hi", "--wait") == 1
    shown = " ".join(capsys.readouterr().err.split())
    assert "the process that handed it over ended; what releases it: `penguin mailq" in shown


def test_send_of_a_mail_file_sends_its_attachment_and_names_what_is_rewritten(tmp_path, capsys):
    api = Api()
    file = tmp_path / "mail.eml"
    file.write_text(
        "From: sales@acme.example\nTo: ann@rcpt.example\nSubject: Offer\nDate: today\n"
        "Content-Type: application/pdf; name=offer.pdf\n\nPDF"
    )
    assert penguin(api, "send", "-f", str(file), "--text", "See the file") == 0
    assert api.sent[0]["text"] == "See the file"
    [attachment] = api.sent[0]["attachments"]
    assert attachment["filename"] == "offer.pdf"
    assert "rewritten or left out: Date" in capsys.readouterr().err


def test_send_of_a_mail_file_with_copies_queues_nothing(tmp_path, capsys):
    api = Api()
    file = tmp_path / "mail.eml"
    file.write_text(
        "From: sales@acme.example\nTo: ann@rcpt.example\nSubject: Hi\nCc: eve@rcpt.example\n\nHi"
    )
    assert penguin(api, "send", "-f", str(file)) == 1
    assert_shows(capsys.readouterr().err, HEADER_REFUSED)
    assert api.sent == []


def test_send_of_a_mail_file_lets_options_override_it(tmp_path):
    api = Api()
    file = tmp_path / "mail.eml"
    file.write_text(
        "From: Sales <sales@acme.example>\nTo: ann@rcpt.example\nSubject: From file\n\nBody\n"
    )
    arguments = ("-f", str(file), "--to", "bob@rcpt.example", "--tenant", "acme")
    assert penguin(api, "send", *arguments) == 0
    assert api.tenant == "acme"
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


def test_send_of_transactional_mail_says_so() -> None:
    api = Api()
    arguments = ("--from", "a@acme.example", "--to", "b@rcpt.example", "--subject", "Receipt")
    given = ("--transactional", "--campaign", "receipts")
    assert penguin(api, "send", *arguments, "--text", "Paid", *given) == 0
    assert api.sent[0]["campaign"] == "receipts"
    assert api.sent[0]["transactional"] is True


@pytest.mark.parametrize(
    ("given", "hours"), [("36h", 36), ("7d", 168), ("2026-12-24T18:00:00Z", None)]
)
def test_send_says_when_a_mail_is_given_up(given: str, hours: int | None) -> None:
    api = Api()
    assert penguin(api, "send", *GOOD, "--text", "Hi", "--expires", given) == 0
    sent = api.sent[0]["expires_at"]
    if hours is None:
        assert sent == given
    else:
        wanted = datetime.now(UTC) + timedelta(hours=hours)
        assert abs(datetime.fromisoformat(sent) - wanted) < timedelta(minutes=1)
    OutgoingMessage.model_validate(api.sent[0])


@pytest.mark.parametrize("given", ["tomorrow", "-5h", "99999999999d", ""])
def test_send_refuses_what_is_neither_a_time_nor_a_duration(given: str, capsys) -> None:
    api = Api()
    assert penguin(api, "send", *GOOD, "--text", "Hi", "--expires", given) == 1
    assert "is neither a time nor a duration" in capsys.readouterr().err
    assert api.sent == []


def test_send_without_required_options_names_them(capsys):
    assert penguin(Api(), "send", "--subject", "Hello") == 1
    assert "--from, --to missing" in capsys.readouterr().err


def test_explain_shows_each_decision(capsys):
    assert penguin(Api(), "explain", "<1@acme.example>") == 0
    shown = capsys.readouterr().out
    for part in ("accepted", "mx1-2.acme.example", "4ABC", "12:00:00.123"):
        assert part in shown


def test_explain_in_a_pipe_fits_80_columns(monkeypatch, capsys):
    reply = "250 2.0.0 Ok: queued as 4fXyZ12k3mz9qR, thank you for a mail with such a long answer"
    details = {"address": "mx1-2", "ip": "198.18.1.12", "helo": "mx1-2.acme.example"}
    details |= {"until": "2026-11-24T12:00:30.849124+00:00"}
    api = Api(decision=DECISION | {"details": details | {"reply": reply, "attempt": 1}})
    monkeypatch.delenv("COLUMNS", raising=False)
    assert penguin(api, "explain", ID) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert reply in " ".join(" ".join(lines).split())
    assert "until 2026-11-24 12:00:30" in " ".join(" ".join(lines).split())


def test_explain_prints_states_in_words(capsys):
    api = Api("handing_over")
    assert penguin(api, "explain", ID) == 0
    assert "State:       being handed over" in capsys.readouterr().out


def test_explain_refused_by_the_api_shows_code_and_remedy(monkeypatch, capsys):
    monkeypatch.setenv("PENGUIN_API_KEY", "wrong")
    assert penguin(Api(), "explain", ID) == 1
    shown = capsys.readouterr().err
    assert "error[auth.invalid]: wrong key" in shown
    assert "do: use another" in shown


def test_explain_says_what_a_message_waits_for_and_who_must_act(capsys):
    assert penguin(Api("held", reason="domain_not_verified"), "explain", ID) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Waits: the From domain has not been verified; until its conditions become" in shown
    assert "(user)" in shown
    assert penguin(Api("held", reason="spread"), "explain", ID, "-o", "json") == 0
    meaning = json.loads(capsys.readouterr().out)["meaning"]
    assert (meaning["acts"], meaning["release"]) == ("nobody", "its turn comes")
