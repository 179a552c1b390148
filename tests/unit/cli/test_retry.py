"""`penguin retry` and selections of tenants, against a fake API."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from cli.environment import Environment
from cli.faults import USAGE
from controlplane.tenants.schemas import EXAMPLE_RESPONSE
from tests.support.command_line import run
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
