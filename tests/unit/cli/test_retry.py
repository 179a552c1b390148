"""`penguin retry` and selections of tenants, against a fake API."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from blueprint.cost import dollars
from blueprint.render import render
from blueprint.tenant import Tenant
from cli.environment import Environment
from cli.faults import USAGE
from controlplane.reconciler import faults
from controlplane.tenants.schemas import EXAMPLE, EXAMPLE_RESPONSE, SERVER_GONE
from tests.support.command_line import Terminal, run
from tests.support.installation import PLATFORM
from tests.support.recording_api import RecordingApi

PROBLEM: dict[str, Any] = {
    "title": "Conflict",
    "status": 409,
    "code": "domain.taken",
    "detail": "domain acme.example cannot be used",
    "remedy": "use a domain of the tenant",
    "retryable": False,
    "acts": "user",
}
GONE = {
    "subject": "host/mx1",
    "type": "InfrastructureReady",
    "status": "False",
    "reason": SERVER_GONE,
    "message": "it has gone",
    "observed_generation": 2,
    "last_transition_at": "2026-11-24T12:06:00Z",
}
RENDERED = render(Tenant.model_validate(EXAMPLE), platform=PLATFORM, keys=None, generation=1)
BLUEPRINT = RENDERED.model_dump(mode="json", by_alias=True)
PRICE = dollars(next(item.usd_cents for item in RENDERED.cost.items if item.host == "mx1"))


class Api:
    """Has three tenants: one that is refused, one that is gone meanwhile, and one that is tried."""

    def __init__(self) -> None:
        self.tried: list[str] = []
        self.query: dict[str, str] = {}

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            self.query = dict(request.url.params)
            items = [EXAMPLE_RESPONSE | {"name": name} for name in ("a", "b", "c")]
            return httpx2.Response(200, json={"items": items, "next": None}, request=request)
        name = request.url.path.split("/")[-2]
        self.tried.append(name)
        status = {"a": 409, "b": 404}.get(name, 200)
        body = EXAMPLE_RESPONSE if status == 200 else PROBLEM | {"status": status}
        return httpx2.Response(status, json=body, request=request)

    def penguin(self, *arguments: str) -> int:
        transport = httpx2.MockTransport(self)
        return run(*arguments, environment=Environment(lambda _: None, transport))


def test_one_tenant_is_tried_again(configured, capsys) -> None:
    api = RecordingApi(lambda *_: EXAMPLE_RESPONSE)
    assert api.penguin("retry", "tenant/acme") == 0
    assert api.path == "/tenants/acme/retry"
    assert capsys.readouterr().out == "tenant/acme is tried again\n"


class WithoutServer:
    """A tenant whose host mx1 has lost its server, and a person at a terminal."""

    def __init__(self, *, deleting: bool = False) -> None:
        self.tried: list[dict[str, Any]] = []
        self.tenant = EXAMPLE_RESPONSE | {"conditions": [GONE], "deleting": deleting}

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/retry"):
            self.tried.append(json.loads(request.content))
        answer = BLUEPRINT if request.url.path.endswith("/blueprints") else self.tenant
        if request.url.path.endswith("/tenants"):
            answer = {"items": [self.tenant], "next": None}
        return httpx2.Response(200, json=answer, request=request)

    def penguin(self, *arguments: str, answer: str | None = None) -> int:
        transport = httpx2.MockTransport(self)
        stdin = None if answer is None else Terminal(answer)
        return run(*arguments, environment=Environment(lambda _: None, transport, stdin))


@pytest.mark.parametrize(("words", "answer"), [(["--yes"], None), ([], "y\n")])
def test_server_that_has_ended_is_bought_again_after_its_price_was_agreed_to(
    configured, capsys, words, answer
) -> None:
    api = WithoutServer()
    assert api.penguin("retry", "acme", *words, answer=answer) == 0
    assert api.tried == [{"buy_again": ["mx1"]}]
    shown = capsys.readouterr()
    assert f"mx1: VPS business for {PRICE} a month" in " ".join(shown.err.split())
    assert ("again for" in shown.err) is (answer is not None)
    assert "bought again, within limits and freezes: mx1" in shown.out


@pytest.mark.parametrize("answer", [None, "n\n"])
def test_without_a_yes_nothing_is_tried_and_the_price_is_shown(configured, capsys, answer) -> None:
    api = WithoutServer()
    assert api.penguin("retry", "acme", answer=answer) == 1
    assert api.tried == []
    shown = " ".join(capsys.readouterr().err.split())
    assert f"{PRICE} a month" in shown
    assert "`penguin retry acme --yes`" in shown


def test_rest_is_tried_again_without_purchases(configured, capsys) -> None:
    api = WithoutServer()
    assert api.penguin("retry", "acme", "--no-purchases") == 0
    assert api.penguin("retry", "--reason", "cloud.server_gone") == 0
    api.tenant["deleting"] = True
    assert api.penguin("retry", "acme", "--yes") == 0
    assert api.tried == [{}, {}, {}]
    assert capsys.readouterr().out.splitlines() == ["tenant/acme is tried again"] * 3


def test_reason_of_an_ended_server_is_that_of_the_reconciler() -> None:
    assert faults.SERVER_GONE.reason == SERVER_GONE


def test_all_of_a_reason_are_tried_again_and_one_that_is_refused_is_shown(
    configured, capsys
) -> None:
    api = Api()
    assert api.penguin("retry", "--reason", "hostwinds.refused", "--selector", "team=mail") == 1
    assert api.tried == ["a", "b", "c"]
    assert api.query["reason"] == "hostwinds.refused"
    assert api.query["selector"] == "team=mail"
    shown = capsys.readouterr()
    assert shown.out == "tenant/c is tried again\n"
    assert "error[domain.taken]" in shown.err
    assert api.penguin("retry", "--reason", "x", "-o", "json") == 1
    assert json.loads(capsys.readouterr().out) == [{"tenant": "c", "generation": 2}]


def test_tenants_are_listed_by_a_selection(configured) -> None:
    api = RecordingApi(lambda *_: {"items": [], "next": None})
    assert api.penguin("get", "tenants", "--selector", "a in (b,c)", "--reason", "dns.missing") == 0
    given = {"selector": "a in (b,c)", "reason": "dns.missing", "limit": "100"}
    assert api.query == given | {"parts": "false"}
    words = ("get", "tenants", "--selector", "a in (b,c)", "--reason", "dns.missing", "-o", "json")
    assert api.penguin(*words) == 0
    assert api.query == given


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        (["retry"], "it is not clear which tenants are meant"),
        (["retry", "acme", "--reason", "x"], "it is not clear which tenants are meant"),
        (["retry", "--reason", "x", "--yes"], "servers are bought again of a named tenant alone"),
        (["retry", "host/mx1"], "host/mx1 is not a tenant"),
        (["retry", "--reason"], "requires an argument"),
        (["get", "hosts", "--selector", "a"], "only a list of tenants can be limited"),
        (["get", "tenant", "acme", "--reason", "x"], "only a list of tenants can be limited"),
    ],
)
def test_wrong_input_is_refused(configured, capsys, words, mistake) -> None:
    api = RecordingApi(lambda *_: EXAMPLE_RESPONSE)
    assert api.penguin(*words) != 0
    shown = capsys.readouterr().err
    assert mistake in shown
    assert USAGE.name in shown
    assert "Traceback" not in shown
    assert api.path == ""
