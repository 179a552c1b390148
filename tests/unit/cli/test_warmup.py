"""`penguin warmup` against a fake API."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from cli.environment import Environment
from cli.faults import USAGE
from controlplane.warmup.schemas import EXAMPLE_RESPONSE
from tests.support.command_line import run
from tests.support.faults import assert_shows


class Api:
    """Answers with one warm-up."""

    def __init__(self) -> None:
        self.query: dict[str, str] = {}
        self.body: dict[str, Any] = {}

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "POST":
            self.body = json.loads(request.content)
        self.query = dict(request.url.params)
        return httpx2.Response(200, json=EXAMPLE_RESPONSE, request=request)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setenv("PENGUIN_API_URL", "http://api.example")
    monkeypatch.setenv("PENGUIN_API_KEY", "key")
    return Api()


def penguin(api: Api, *arguments: str) -> int:
    transport = httpx2.MockTransport(api.answer)
    return run("warmup", *arguments, environment=Environment(lambda _: None, transport))


def test_show_prints_day_and_what_is_left(api: Api, capsys):
    assert penguin(api, "show", "provider/198.18.1.2/google") == 0
    assert api.query == {"kind": "provider", "name": "198.18.1.2/google"}
    shown = capsys.readouterr().out
    assert "12, 108 mails a day; 28 good days to 1200" in shown
    assert penguin(api, "show", "address/198.18.1.2", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["day"] == 12


def test_set_sends_day_and_reason(api: Api, capsys):
    arguments = ("set", "address/198.18.1.2", "--day", "12", "--reason", "moved here")
    assert penguin(api, *arguments) == 0
    assert api.body == {
        "kind": "address",
        "name": "198.18.1.2",
        "day": 12,
        "reason": "moved here",
    }
    assert capsys.readouterr().out == "address/198.18.1.2 is on day 12: 108 mails a day\n"


@pytest.mark.parametrize("subject", ["mx1-2", "tenant/acme", "address/"])
def test_subject_without_a_warm_up_is_refused(api: Api, subject: str, capsys):
    assert penguin(api, "show", subject) == 1
    assert_shows(
        capsys.readouterr().err,
        USAGE,
        mistake=f"{subject} has no warm-up",
        remedy="give address/IP, provider/IP/PROVIDER, domain/NAME or mailbox/ADDRESS",
    )
