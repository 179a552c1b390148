"""`penguin todo` against a fake API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cli.faults import FOREIGN_ANSWER, USAGE
from controlplane.todo.schemas import EXAMPLE
from tests.support.faults import assert_shows
from tests.support.recording_api import RecordingApi

OTHER = EXAMPLE | {"subject": "address/mx1-3"}
ELSEWHERE = OTHER | {"tenant": "bob"}


def api_with(*items: dict[str, Any]) -> RecordingApi:
    """An API with something to do, and nothing that is frozen."""
    return RecordingApi(
        lambda _, path, __: {"items": items if path == "/todo" else [], "next": None}
    )


def test_what_is_to_be_done_for_several_subjects_is_shown_once(configured, capsys) -> None:
    assert api_with(EXAMPLE, OTHER, ELSEWHERE).penguin("todo") == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "acme address/mx1-2, address/mx1-3: WaitingForProvider, for " in text
    assert "bob address/mx1-3: WaitingForProvider, for " in text
    assert text.count("operator not bought in the provider's portal yet do: buy an address") == 2


def test_what_comes_after_it_is_said_of_a_tenant_that_is_stalled(configured, capsys) -> None:
    assert api_with(EXAMPLE | {"stalls": True}, ELSEWHERE).penguin("todo") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in lines if "then:" in line] == ["then: penguin retry acme"]


def test_nothing_to_do_is_said(configured, capsys) -> None:
    assert api_with().penguin("todo") == 0
    assert capsys.readouterr().out.startswith("nothing: ")


def test_json_has_every_entry(configured, capsys) -> None:
    assert api_with(EXAMPLE, OTHER).penguin("todo", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out) == [EXAMPLE, OTHER]


def test_tenant_and_reason_are_asked_for(configured) -> None:
    api = api_with()
    for words in (["acme"], ["tenant/acme"], ["tenant", "acme"], ["-t", "acme"]):
        assert api.penguin("todo", *words, "--reason", "dns.not_delegated") == 0
        assert api.query == {"tenant": "acme", "reason": "dns.not_delegated", "limit": "100"}


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        (["host/mx1"], "host/mx1 is not a tenant"),
        (["acme", "bob"], "acme is not a kind of resource"),
        (["acme", "-t", "acme"], "the tenant is given twice"),
        (["tenant/"], "the name of the tenant is empty"),
        (["--reasons", "x"], "No such option"),
        (["-o", "xml"], "Invalid value for"),
    ],
)
def test_wrong_input_is_refused(configured, capsys, words, mistake) -> None:
    api = api_with()
    assert api.penguin("todo", *words) != 0
    shown = capsys.readouterr().err
    assert mistake in shown
    assert USAGE.name in shown
    assert "Traceback" not in shown
    assert api.path == ""


def test_answer_of_another_form_is_refused(configured, capsys) -> None:
    assert api_with({"tenant": "acme"}).penguin("todo") == 1
    assert_shows(capsys.readouterr().err, FOREIGN_ANSWER, status=200, where=...)
