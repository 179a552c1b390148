"""What differs between documents, where the API is found, and how its refusals are read."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import httpx2
import pytest

from cli.api import Api, connect, problem_of, tenant_path
from cli.changes import Change, of_documents
from cli.errors import CliError, CliErrorGroup
from cli.wait import Turns, seconds


def test_a_new_order_is_no_change_and_items_are_named_by_their_name():
    before = {"hosts": [{"name": "a", "size": 1}, {"name": "b", "size": 1}], "plan": "x"}
    after = {"hosts": [{"name": "b", "size": 2}, {"name": "a", "size": 1}], "plan": "x"}
    assert list(of_documents(before, after, "spec")) == [Change("spec.hosts[b].size", 1, 2)]


def test_what_comes_and_goes_is_one_change_each():
    before = {"mailboxes": [{"address": "a@x.example"}]}
    after = {"mailboxes": [{"address": "b@x.example"}], "zone": "z"}
    assert list(of_documents(before, after, "spec")) == [
        Change("spec.mailboxes[a@x.example]", {"address": "a@x.example"}, None),
        Change("spec.mailboxes[b@x.example]", None, {"address": "b@x.example"}),
        Change("spec.zone", None, "z"),
    ]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PENGUIN_STATE_DIR", str(tmp_path))
    monkeypatch.delenv("PENGUIN_API_URL", raising=False)
    monkeypatch.delenv("PENGUIN_API_KEY", raising=False)
    return tmp_path


def test_without_a_context_the_remedy_is_init(state):
    with pytest.raises(CliError) as raised:
        connect()
    assert raised.value.code == "context.missing"
    assert "penguin init" in raised.value.remedy


def test_the_control_plane_that_runs_here_wins_over_the_context(state):
    context = {"url": "http://far.example", "api_key": "key"}
    (state / "context.json").write_text(json.dumps(context))
    here = {"pid": os.getpid(), "url": "http://127.0.0.1:8400"}
    (state / "serve.json").write_text(json.dumps(here))
    assert connect().url == "http://127.0.0.1:8400"


def test_the_word_of_a_killed_control_plane_does_not_count(state):
    context = {"url": "http://far.example", "api_key": "key"}
    (state / "context.json").write_text(json.dumps(context))
    dead = {"pid": 2**22 + 1, "url": "http://127.0.0.1:8400"}
    (state / "serve.json").write_text(json.dumps(dead))
    assert connect().url == "http://far.example"


@pytest.mark.parametrize("written", ["[]", "{", '"x"', '{"pid": null}', '{"pid": "9e9"}'])
def test_garbled_files_count_as_none(state, written):
    (state / "serve.json").write_text(written)
    (state / "context.json").write_text(json.dumps({"url": "http://far.example", "api_key": "k"}))
    assert connect().url == "http://far.example"
    (state / "context.json").write_text(written)
    with pytest.raises(CliError) as raised:
        connect()
    assert raised.value.code == "context.missing"


@pytest.mark.parametrize("key", ["pm_live_a\nb", "schlüssel"])
def test_a_key_that_no_header_can_carry_is_told_so(state, monkeypatch, key):
    monkeypatch.setenv("PENGUIN_API_KEY", key)
    monkeypatch.setenv("PENGUIN_API_URL", "http://far.example")
    with pytest.raises(CliError) as raised:
        connect()
    assert (raised.value.code, raised.value.where) == ("context.invalid", "PENGUIN_API_KEY")


@pytest.mark.parametrize("url", ["foo", "http://", "http://[::1", "http://a:b", "ftp://a"])
def test_what_is_no_address_is_told_so(state, monkeypatch, url):
    monkeypatch.setenv("PENGUIN_API_KEY", "key")
    monkeypatch.setenv("PENGUIN_API_URL", url)
    with pytest.raises(CliError) as raised:
        connect()
    assert (raised.value.code, raised.value.where) == ("context.invalid", "PENGUIN_API_URL")


def test_whoever_answers_no_json_is_not_our_api(monkeypatch):
    page = answer(200, text="<html>Welcome")
    monkeypatch.setattr("cli.api.httpx2.request", lambda *_, **__: page)
    with pytest.raises(CliError) as raised:
        Api("http://far.example", "key").get("/tenants")
    assert raised.value.code == "api.not_ours"


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_not_the_list(name):
    with pytest.raises(CliError) as raised:
        tenant_path(name)
    assert raised.value.code == "usage"


def answer(status: int, **content: object) -> httpx2.Response:
    request = httpx2.Request("GET", "http://api.example/api/v1/tenants/acme")
    return httpx2.Response(status, request=request, **content)


def test_a_problem_keeps_code_remedy_and_place():
    told = {"code": "tenant.not_found", "detail": "no acme", "remedy": "apply it", "violations": []}
    error = problem_of(answer(404, json=told))
    assert isinstance(error, CliError)
    shown = (error.code, str(error), error.where, error.remedy)
    assert shown == ("tenant.not_found", "no acme", "/api/v1/tenants/acme", "apply it")


def test_every_mistake_of_a_problem_is_an_error_with_its_key():
    mistake = {"code": "a.b", "detail": "wrong", "remedy": "mend", "path": "spec.plan"}
    several = problem_of(answer(422, json={"violations": [mistake, mistake | {"path": "spec.x"}]}))
    assert isinstance(several, CliErrorGroup)
    assert [error.where for error in several.errors] == ["spec.plan", "spec.x"]


@pytest.mark.parametrize("content", [{"text": "<html>Bad gateway"}, {"json": ["?"]}])
def test_an_answer_of_somebody_else_is_an_error_too(content):
    assert problem_of(answer(502, **content)).code == "api.status_502"


def test_a_name_cannot_leave_its_path():
    assert tenant_path("../operations") == "/tenants/..%2Foperations"


@pytest.mark.parametrize(("text", "expected"), [("300s", 300), ("5m", 300), ("1h", 3600), ("7", 7)])
def test_durations(text, expected):
    assert seconds(text) == expected


class Terminal(io.StringIO):
    """Standard error that a person watches."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("deleting", "doing"),
    [(False, "DnsReady RecordsWaiting 3 of 12"), (True, "Deleting Deleting asked for")],
)
def test_between_two_turns_a_person_sees_what_is_waited_for(monkeypatch, deleting, doing):
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    at = "2026-11-26T11:00:00Z"
    conditions = [
        {"subject": "tenant", "type": type_, "status": status, "reason": reason, "message": text}
        | {"last_transition_at": at}
        for type_, status, reason, text in (
            ("InfrastructureReady", "True", "Provisioned", ""),
            ("DnsReady", "Unknown", "RecordsWaiting", "3 of 12"),
            ("Deleting", str(deleting), "Deleting", "asked for"),
        )
    ]
    said = io.StringIO()
    with Turns(said) as turns:
        turns.show({"deleting": deleting, "conditions": conditions})
    assert f"… waiting: {doing}" in screen.getvalue()
    assert "InfrastructureReady  True" in said.getvalue()
