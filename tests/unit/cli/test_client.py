"""Differences of documents, the address of the API, and the reading of its errors."""

from __future__ import annotations

import io
import json
import os
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cli.api import Api, connect, problem_of, tenant_path
from cli.changes import Change, of_documents
from cli.conditions import Types
from cli.faults import FOREIGN_ANSWER
from cli.times import seconds
from cli.wait import Changes
from controlplane.faults import NOT_FOUND
from controlplane.tenants.schemas import SHOWN, TenantPage, TenantView
from kit.faults import Fault
from kit.processes import own_identity
from tests.support.command_line import Terminal


def test_changes_of_reordered_items_are_none_and_name_items():
    before = {"hosts": [{"name": "a", "size": 1}, {"name": "b", "size": 1}], "plan": "x"}
    after = {"hosts": [{"name": "b", "size": 2}, {"name": "a", "size": 1}], "plan": "x"}
    assert list(of_documents(before, after, "spec")) == [Change("spec.hosts[b].size", 1, 2)]


def test_changes_of_added_and_removed_items_are_one_each():
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


def test_connect_without_a_context_says_to_run_init(state):
    with pytest.raises(Fault) as raised:
        connect()
    assert raised.value.code.name == "context.missing"
    assert "penguin init" in raised.value.remedy


def test_connect_with_a_local_control_plane_prefers_it_to_the_context(state):
    context = {"url": "http://far.example", "api_key": "key"}
    (state / "context.json").write_text(json.dumps(context))
    local = {"process": own_identity(), "url": "http://127.0.0.1:8400"}
    (state / "serve.json").write_text(json.dumps(local))
    assert connect().url == "http://127.0.0.1:8400"


def test_connect_after_a_killed_control_plane_uses_the_context(state):
    context = {"url": "http://far.example", "api_key": "key"}
    (state / "context.json").write_text(json.dumps(context))
    ended = {"process": f"{os.getpid()}.1", "url": "http://127.0.0.1:8400"}
    (state / "serve.json").write_text(json.dumps(ended))
    assert connect().url == "http://far.example"


@pytest.mark.parametrize("written", ["[]", "{", '"x"', '{"process": null}', '{"process": 9e9}'])
def test_connect_with_damaged_files_ignores_them(state, written):
    (state / "serve.json").write_text(written)
    (state / "context.json").write_text(json.dumps({"url": "http://far.example", "api_key": "k"}))
    assert connect().url == "http://far.example"
    (state / "context.json").write_text(written)
    with pytest.raises(Fault) as raised:
        connect()
    assert raised.value.code.name == "context.missing"


@pytest.mark.parametrize("key", ["pm_live_a\nb", "schlüssel"])
def test_connect_with_a_key_that_no_header_can_carry_is_refused(state, monkeypatch, key):
    monkeypatch.setenv("PENGUIN_API_KEY", key)
    monkeypatch.setenv("PENGUIN_API_URL", "http://far.example")
    with pytest.raises(Fault) as raised:
        connect()
    assert (raised.value.code.name, raised.value.where) == (
        "context.invalid",
        "PENGUIN_API_KEY",
    )


@pytest.mark.parametrize("url", ["foo", "http://", "http://[::1", "http://a:b", "ftp://a"])
def test_connect_with_an_invalid_address_is_refused(state, monkeypatch, url):
    monkeypatch.setenv("PENGUIN_API_KEY", "key")
    monkeypatch.setenv("PENGUIN_API_URL", url)
    with pytest.raises(Fault) as raised:
        connect()
    assert (raised.value.code.name, raised.value.where) == (
        "context.invalid",
        "PENGUIN_API_URL",
    )


@pytest.mark.parametrize("content", [{"text": "<html>Welcome"}, {"json": {"items": 3}}])
def test_get_answered_by_another_program_is_refused(content):
    page = httpx2.MockTransport(lambda request: httpx2.Response(200, request=request, **content))
    with pytest.raises(Fault) as raised:
        Api("http://far.example", "key", page).get("/tenants", TenantPage)
    assert raised.value.code is FOREIGN_ANSWER


def test_get_reads_an_answer_with_fields_of_a_newer_control_plane():
    document = SHOWN["document"] | {"status": {"phase": "new"}}
    tenant = SHOWN | {"document": document, "owner": "ops"}
    newer = httpx2.MockTransport(lambda request: httpx2.Response(200, json=tenant, request=request))
    read = Api("http://far.example", "key", newer).get("/tenants/acme", TenantView)
    assert (read.name, read.document.spec.plan) == ("acme", "business")


@pytest.mark.parametrize("name", ["", " "])
def test_path_of_an_empty_name_is_refused(name):
    with pytest.raises(Fault) as raised:
        tenant_path(name)
    assert raised.value.code.name == "usage"


PROBLEM = {"title": "Not Found", "status": 404, "retryable": False, "acts": "user"}


def answer(status: int, **content: Any) -> httpx2.Response:
    request = httpx2.Request("GET", "http://api.example/api/v1/tenants/acme")
    return httpx2.Response(status, request=request, **content)


def test_problem_of_an_answer_keeps_code_remedy_and_path():
    problem = PROBLEM | {"code": NOT_FOUND.name, "detail": "no acme", "remedy": "apply it"}
    error = problem_of(answer(404, json=problem))
    shown = (error.code.name, error.message, error.where, error.remedy)
    assert shown == (NOT_FOUND.name, "no acme", "/api/v1/tenants/acme", "apply it")


def test_problem_with_violations_keeps_the_path_of_each():
    mistake = {"code": "a.b", "detail": "wrong", "remedy": "correct it", "path": "spec.plan"}
    violations = [mistake, mistake | {"path": "spec.x"}]
    several = problem_of(answer(422, json=PROBLEM | mistake | {"violations": violations}))
    assert [violation.where for violation in several.violations] == ["spec.plan", "spec.x"]


@pytest.mark.parametrize("content", [{"text": "<html>Bad gateway"}, {"json": ["?"]}])
def test_problem_of_another_programs_answer_is_a_foreign_answer(content):
    assert problem_of(answer(502, **content)).code is FOREIGN_ANSWER


def test_path_of_a_name_with_slashes_is_quoted():
    assert tenant_path("../operations") == "/tenants/..%2Foperations"


@pytest.mark.parametrize(("text", "expected"), [("300s", 300), ("5m", 300), ("1h", 3600), ("7", 7)])
def test_duration_is_read_with_each_unit(text, expected):
    assert seconds(text) == expected


def tenant(*conditions: tuple[str, str, str, str], deleting: bool = False) -> TenantView:
    keys = ("type", "status", "reason", "message")
    rows = [
        SHOWN["conditions"][0] | dict(zip(keys, condition, strict=True)) for condition in conditions
    ]
    return TenantView.model_validate(SHOWN | {"deleting": deleting, "conditions": rows})


TYPES = Types(
    ("Ready", "InfrastructureReady", "DnsReady", "Stalled", "Deleting"),
    ("InfrastructureReady", "DnsReady"),
    frozenset({"Stalled", "Deleting"}),
)
PROVISIONED = ("InfrastructureReady", "True", "Provisioned", "")
WAITING = ("DnsReady", "Unknown", "RecordsWaiting", "3 of 12")
FOUND = ("DnsReady", "True", "RecordsFound", "12 of 12")
NOT_DELETING = ("Deleting", "False", "NotDeleting", "")
DELETING = ("Deleting", "True", "Deleting", "requested")


@pytest.mark.parametrize(
    ("deleting", "doing"),
    [(False, "DnsReady RecordsWaiting: 3 of 12"), (True, "Deleting requested")],
)
def test_wait_between_two_changes_shows_the_current_step(deleting, doing):
    screen = Terminal()
    with redirect_stderr(screen), Changes(io.StringIO(), "acme", "Ready", TYPES) as changes:
        changes.show(tenant(PROVISIONED, WAITING, DELETING, deleting=deleting))
    assert f"… waiting: {doing}" in screen.getvalue()


def test_wait_prints_a_summary_and_then_only_changes():
    log = io.StringIO()
    with Changes(log, "acme", "Ready", TYPES) as changes:
        changes.show(tenant(PROVISIONED, WAITING, NOT_DELETING))
        changes.show(tenant(PROVISIONED, WAITING, NOT_DELETING))
        changes.show(tenant(PROVISIONED, FOUND, NOT_DELETING))
    first, held, change = log.getvalue().splitlines()
    assert first.endswith("tenant/acme: waiting for Ready")
    assert held == "  true already: InfrastructureReady"
    assert change.split(" s  ")[1] == "✓ DnsReady: 12 of 12"


def test_wait_for_a_condition_that_is_true_prints_nothing():
    log = io.StringIO()
    with Changes(log, "acme", "Ready", TYPES) as changes:
        changes.end(tenant(PROVISIONED))
    assert log.getvalue() == ""


def test_wait_shows_a_flag_that_becomes_true_and_not_one_that_becomes_false():
    log = io.StringIO()
    with Changes(log, "acme", "Ready", TYPES) as changes:
        changes.show(tenant(NOT_DELETING))
        changes.show(tenant(DELETING))
        changes.show(tenant(NOT_DELETING))
    [_, change] = log.getvalue().splitlines()
    assert change.split(" s  ")[1] == "… Deleting: requested"
