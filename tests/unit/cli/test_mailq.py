"""`penguin mailq` against a fake API."""

from __future__ import annotations

from typing import Any

import pytest

from cli.errors import INTERRUPTED
from controlplane.messages.schemas import ID
from tests.support.recording_api import RecordingApi

pytestmark = pytest.mark.usefixtures("configured")
TO_DOMAIN = ("--to-domain", "rcpt.example", "--reason", "called off")


@pytest.mark.parametrize("command", [("withdraw", "--yes"), ("retry",)])
def test_mail_to_a_domain_is_changed_page_by_page(command: tuple[str, ...], capsys) -> None:
    pages = {
        None: {"changed": 2, "next": "a/1"},
        "a/1": {"changed": 0, "next": "b/2"},
        "b/2": {"changed": 3, "next": None},
    }

    def answer(_method: str, _path: str, body: dict[str, Any]) -> object:
        assert body["recipient_domain"] == "rcpt.example"
        return pages[body.get("after")]

    assert RecordingApi(answer).penguin("mailq", *command, *TO_DOMAIN) == 0
    assert capsys.readouterr().out.endswith(": 5\n")


def test_buckets_are_released_page_by_page_and_what_keeps_them_is_added_up(capsys) -> None:
    cap = {"code": "spread", "acts": "nobody", "release": "its time comes"}
    pages = {
        None: {
            "changed": 2,
            "next": "a/1",
            "ended": ["tenant acme"],
            "kept": [cap | {"buckets": 1}],
        },
        "a/1": {"changed": 3, "next": None, "ended": [], "kept": [cap | {"buckets": 3}]},
    }
    api = RecordingApi(lambda _method, _path, body: pages[body.get("after")])
    assert api.penguin("mailq", "release", *TO_DOMAIN) == 0
    assert capsys.readouterr().out.splitlines() == [
        "buckets released: 5",
        "hold ended: tenant acme",
        "held again: 4, spread; what releases it: its time comes",
    ]


@pytest.mark.parametrize("command", [("withdraw", "--yes"), ("release",)])
def test_change_that_is_interrupted_says_how_far_it_has_come(
    command: tuple[str, ...], capsys
) -> None:
    def answer(_method: str, _path: str, body: dict[str, Any]) -> object:
        if "after" in body:
            raise KeyboardInterrupt
        return {"changed": 2, "next": "a/1", "ended": [], "kept": []}

    assert RecordingApi(answer).penguin("mailq", *command, *TO_DOMAIN) == INTERRUPTED
    first, second = capsys.readouterr().err.splitlines()[-2:]
    assert first.endswith(": 2 so far; the same command does the rest")
    assert second == "interrupted"


@pytest.mark.parametrize(
    "command",
    [("withdraw", "--yes"), ("release",), ("retry",), ("resolve", "--delivered")],
)
def test_mail_may_be_named_as_a_resource(command: tuple[str, ...]) -> None:
    done: dict[str, object] = {"changed": 1, "next": None, "ended": [], "kept": []}
    api = RecordingApi(lambda *_: done)
    assert api.penguin("mailq", *command, f"message/{ID}", "--reason", "called off") == 0
    assert api.body["ids"] == [ID]


def test_outcomes_of_a_selection_are_resolved_only_with_consent(capsys) -> None:
    done: dict[str, object] = {"changed": 2, "next": None}
    command = ("mailq", "resolve", "--not-delivered", *TO_DOMAIN)
    api = RecordingApi(lambda *_: done)
    assert api.penguin(*command) == 1
    assert "--yes" in capsys.readouterr().err
    assert api.path == ""
    assert api.penguin(*command, "--yes") == 0
    assert api.body["delivered"] is False
    assert capsys.readouterr().out == "mails sent again: 2\n"


@pytest.mark.parametrize("command", [("mailq", "withdraw"), ("queue", "purge")])
def test_selection_of_nothing_is_asked_of_the_api_and_not_to_be_confirmed(
    command: tuple[str, str],
) -> None:
    api = RecordingApi(lambda *_: {"changed": 0, "is_all": True, "next": None})
    assert api.penguin(*command, "--reason", "called off") == 0
    assert api.body == {"reason": "called off"}


def test_moment_of_a_backup_that_cannot_be_read_is_refused_before_anything_is_asked(capsys) -> None:
    def answer(*_: object) -> object:
        raise AssertionError

    given = ("--since", "yesterday", "--as", "unknown", "--reason", "restored")
    assert RecordingApi(answer).penguin("queue", "recover", *given) == 1
    assert "yesterday is neither a time nor a duration" in capsys.readouterr().err
