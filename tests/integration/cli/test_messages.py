"""`penguin messages` against a real API: list, show, cancel, events."""

from __future__ import annotations

import json
from io import StringIO

import psycopg
import pytest

from cli.faults import UNCONFIRMED, USAGE
from controlplane import faults as api_faults
from sender.faults import NOT_WAITING
from tests.support.faults import assert_shows

SEND = ("send", "--tenant", "acme", "--from", "sales@acme.example", "--text", "Hi")
ACCEPT = """
with gone as (
    delete from queue.ready where id = %(id)s returning id, tenant_id
), recorded as (
    update queue.records as record set state = 'done' from gone where record.id = gone.id
)
insert into mail.events (message_id, tenant_id, kind, state, reason, words)
select id, tenant_id, 'outcome', 'accepted', 'accepted', 'accepted by mx1-2.acme.example' from gone
"""


def test_messages_are_listed_shown_and_cancelled(plane, penguin, file, capsys) -> None:
    penguin("apply", "-f", str(file))
    capsys.readouterr()
    ids = []
    for number in range(4):
        to = ("--to", f"bob{number}@rcpt.example", "--subject", f"Mail {number}")
        assert penguin(*SEND, *to, "--expires", "36h", "-o", "json") == 0
        ids.append(json.loads(capsys.readouterr().out)["id"])
    with psycopg.connect(plane.dsn) as database:
        database.execute(ACCEPT, {"id": ids[3]})

    def listed(*arguments: str) -> list[str]:
        assert penguin("messages", "list", *arguments, "-o", "json") == 0
        return [item["id"] for item in json.loads(capsys.readouterr().out)]

    assert listed("acme") == listed() == ids[::-1]
    assert listed("--limit", "1") == ids[:2:-1]
    assert listed("-t", "acme", "--state", "accepted") == [ids[3]]
    assert listed("--to", "BOB1@rcpt.example", "--since", "1h") == [ids[1]]
    assert listed("--until", "1h") == []
    assert penguin("messages", "list", "acme") == 0
    heading, first, *_ = capsys.readouterr().out.splitlines()
    assert heading.split()[:2] == ["ID", "STATE"]
    assert first.split()[:2] == [ids[3], "accepted"]
    assert penguin("messages", "list", "--state", "sent") == 1
    assert penguin("messages", "list", "--to", "nobody", "acme") == 1
    assert penguin("messages", "list", "--since", "yesterday") == 1
    capsys.readouterr()
    assert penguin("messages", "show", ids[3]) == 0
    assert "accepted by mx1-2.acme.example" in capsys.readouterr().out

    assert penguin("messages", "cancel", ids[0], ids[3], "-o", "json") == 1
    shown = capsys.readouterr()
    assert [item["state"] for item in json.loads(shown.out)] == ["cancelled"]
    assert_shows(shown.err, NOT_WAITING, id=ids[3], state="accepted")
    for arguments in ((), ("--tenant", "acme"), (ids[1], "--state", "queued")):
        assert penguin("messages", "cancel", *arguments) == 1
        assert_shows(capsys.readouterr().err, USAGE, mistake=..., remedy=...)
    chosen = ("--tenant", "acme", "--from", "sales@acme.example")
    assert penguin("messages", "cancel", *chosen, stdin=StringIO("y\n")) == 1
    assert_shows(capsys.readouterr().err, UNCONFIRMED, reason=..., command=...)
    assert penguin("messages", "cancel", *chosen, "--yes") == 0
    assert capsys.readouterr().out == "2 cancelled\n"
    assert listed("-s", "queued") == []
    assert penguin("messages", "cancel", "--state", "queued", "--yes") == 1
    assert_shows(capsys.readouterr().err, api_faults.TENANT_MISSING)


def test_message_events_are_printed_and_followed(plane, penguin, file, capsys) -> None:
    penguin("apply", "-f", str(file))
    to = ("--to", "bob@rcpt.example", "--subject", "Hello")
    capsys.readouterr()
    penguin(*SEND, *to, "-o", "json")
    id_ = json.loads(capsys.readouterr().out)["id"]
    pauses = 0

    def happen(_: float) -> None:
        nonlocal pauses
        pauses += 1
        if pauses == 1:
            with psycopg.connect(plane.dsn) as database:
                database.execute(ACCEPT, {"id": id_})
        elif "accepted by" in (seen := capsys.readouterr().out):
            printed.append(seen)
            raise KeyboardInterrupt

    printed: list[str] = []
    assert penguin("messages", "events", "acme", "--follow", sleep=happen) == 130
    assert f"{id_}  accepted: accepted by mx1-2.acme.example" in " ".join(printed[0].split(" "))
    for more in ((), ("--message", id_), ("--state", "accepted"), ("--since", "1h")):
        assert penguin("messages", "events", "acme", "-o", "json", *more) == 0
        (event,) = json.loads(capsys.readouterr().out)
        assert (event["message_id"], event["state"]) == (id_, "accepted")
    assert penguin("messages", "events", "acme", "--state", "expired", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("command", ["list", "events"])
def test_messages_of_a_tenant_given_twice_are_refused(plane, penguin, capsys, command) -> None:
    assert penguin("messages", command, "acme", "--tenant", "acme") == 1
    assert_shows(capsys.readouterr().err, USAGE, mistake="the tenant is given twice", remedy=...)
