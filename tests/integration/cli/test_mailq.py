"""`penguin mailq` and `penguin queue` against a real API: tables, documents, confirmations."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from typing import Any

from cli import faults
from cli.errors import INTERRUPTED
from controlplane import faults as api_faults
from tests.support.command_line import Terminal
from tests.support.faults import assert_shows
from tests.support.warmth import resolve_domains

HOLD = """
update queue.buckets set held_until = 'infinity', endless = true, held_at = now(),
    reason = 'stopped', words = 'mail is stopped for the tenant'
"""
DEAD = """
with gone as (delete from queue.ready returning *)
insert into queue.dead
    (id, tenant_id, bucket_id, priority, due_at, expires_at, attempts, reason, body)
select id, tenant_id, bucket_id, priority, due_at, expires_at, 1, 'too_big', '' from gone
"""
WHY = ("--reason", "called off")


def test_mail_is_listed_and_withdrawn_or_purged_after_a_confirmation(
    plane: Any, penguin: Any, file: Any, capsys: Any
) -> None:
    def shown(*arguments: str, code: int = 0) -> str:
        assert penguin(*arguments) == code
        output = capsys.readouterr()
        return str(output.err if code else output.out)

    def send(to: str) -> None:
        sender = ("--tenant", "acme", "--from", "sales@acme.example")
        shown("send", *sender, "--to", to, "--subject", "Hi", "--text", "Hello")

    shown("apply", "-f", str(file))
    resolve_domains(plane.dsn, **{"one.example": "other", "two.example": "other"})
    send("a@one.example")
    send("b@two.example")
    plane.run(HOLD)
    heading, row = shown("mailq").splitlines()
    assert heading.split() == ["TENANT", "BUCKET", "MAILS", "CODE", "UNTIL", "RELEASE", "WORDS"]
    assert row.startswith("acme")
    assert row.endswith("`penguin start` of what was stopped  mail is stopped for the tenant")
    (held,) = json.loads(shown("mailq", "--tenant", "acme", "--code", "stopped", "-o", "json"))
    assert (held["mails"], held["until"], held["acts"]) == (2, None, "user")
    refused = shown("mailq", "withdraw", "--to-domain", "one.example", *WHY, code=1)
    assert_shows(refused, faults.UNCONFIRMED, command="penguin mailq withdraw …")
    one = ("mailq", "withdraw", "--to-domain", "ONE.example", *WHY, "--yes")
    assert shown(*one) == "mails withdrawn: 1\n"
    assert json.loads(shown(*one, "-o", "json")) == {"changed": 0}
    released, kept = shown("mailq", "release", "-t", "acme", *WHY).splitlines()
    assert released == "buckets released: 1"
    assert kept.startswith("held again: 1, not_published; what releases it: the reconciler")
    assert json.loads(shown("mailq", "release", "-t", "acme", *WHY, "-o", "json")) == {
        "changed": 0,
        "ended": [],
        "kept": [],
    }
    assert shown("mailq", "retry", "-t", "acme", *WHY) == "deferred mails tried again: 0\n"
    nothing = shown("mailq", "release", *WHY, code=1)
    assert_shows(nothing, api_faults.NO_SELECTION)
    plane.run(DEAD)
    (letter,) = json.loads(shown("queue", "dead", "-o", "json"))
    assert (letter["to"], letter["code"]) == ("b@two.example", "too_big")
    assert "too_big" in shown("queue", "dead", "--code", "too_big")
    assert shown("queue", "replay", letter["id"], *WHY) == "dead letters sent again: 1\n"
    assert "due" in shown("queue", "stats")
    plane.run(DEAD)
    refused = shown("queue", "purge", letter["id"], *WHY, code=1)
    assert_shows(refused, faults.UNCONFIRMED, command="penguin queue purge …")
    assert shown("queue", "purge", letter["id"], *WHY, "-y") == "dead letters deleted: 1\n"
    assert shown("top").startswith("senders 0 ")


def test_top_is_shown_anew_in_a_terminal_until_it_is_interrupted(plane: Any, penguin: Any) -> None:
    def interrupt(_seconds: float) -> None:
        if terminal.getvalue().count("senders 0") == 2:
            raise KeyboardInterrupt

    with redirect_stdout(Terminal()) as terminal:
        assert penguin("top", sleep=interrupt) == INTERRUPTED
