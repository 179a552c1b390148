"""`penguin refresh` against a fake API."""

from __future__ import annotations

from typing import Any

import pytest

from cli.faults import USAGE
from controlplane.tenants.schemas import EXAMPLE_RESPONSE
from tests.support.recording_api import RecordingApi


@pytest.fixture
def api(configured: None) -> RecordingApi:
    return RecordingApi(lambda *_: EXAMPLE_RESPONSE)


def test_tenant_is_refreshed(api: RecordingApi, capsys) -> None:
    for words in (["acme"], ["tenant/acme"], ["tenant", "acme"]):
        assert api.penguin("refresh", *words) == 0
        assert api.path == "/tenants/acme/refresh"
        assert capsys.readouterr().out == "tenant/acme is refreshed by its next operation\n"


STALLED = EXAMPLE_RESPONSE["conditions"][0] | {"type": "Stalled", "reason": "HostwindsRefused"}
PAUSED = {"reason": "a move", "actor": "pm_live_1", "since": "2026-11-24T12:00:00Z"}


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"conditions": [STALLED]}, ", at the latest after `penguin retry acme`"),
        ({"conditions": [STALLED | {"status": "False"}]}, ""),
        ({"conditions": [STALLED], "paused": PAUSED}, ", after `penguin resume acme`"),
    ],
)
def test_what_comes_first_is_said(
    configured: None, capsys, changed: dict[str, Any], line: str
) -> None:
    api = RecordingApi(lambda *_: EXAMPLE_RESPONSE | changed)
    assert api.penguin("refresh", "acme") == 0
    assert capsys.readouterr().out == f"tenant/acme is refreshed by its next operation{line}\n"


@pytest.mark.parametrize(
    "words", [[], ["host/mx1"], ["acme", "bob"], ["tenant/"], ["acme", "--reason", "x"]]
)
def test_wrong_input_is_refused(api: RecordingApi, capsys, words: list[str]) -> None:
    assert api.penguin("refresh", *words) != 0
    shown = capsys.readouterr().err
    assert USAGE.name in shown
    assert "Traceback" not in shown
    assert api.path == ""
