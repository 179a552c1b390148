"""`penguin cancel`, and where a cancelled operation is shown, against a fake API."""

from __future__ import annotations

import pytest

from cli.faults import USAGE
from cli.pages.progress import rows
from controlplane.operations.schemas import EXAMPLE_RESPONSE, OperationView
from controlplane.schedule.schemas import EXAMPLE, NextLook
from tests.support.recording_api import RecordingApi

WHY = ("--reason", "the wrong file")
RUNNING = EXAMPLE_RESPONSE | {"finished_at": None, "outcome": None}


@pytest.mark.parametrize(
    ("items", "line"),
    [
        ([RUNNING], "tenant/acme: cloud create ends at its next safe point"),
        ([], "unchanged: no operation of tenant/acme runs"),
    ],
)
def test_what_is_cancelled_is_said(configured: None, capsys, items, line) -> None:
    api = RecordingApi(lambda *_: {"items": items})
    assert api.penguin("cancel", "acme", *WHY) == 0
    assert (api.path, api.body) == ("/tenants/acme/cancel", {"reason": WHY[1]})
    assert capsys.readouterr().out == f"{line}\n"


@pytest.mark.parametrize("words", [[], ["acme"], ["host/mx1", *WHY]])
def test_wrong_input_is_refused(configured: None, capsys, words: list[str]) -> None:
    api = RecordingApi(lambda *_: {"items": []})
    assert api.penguin("cancel", *words) != 0
    assert USAGE.name in capsys.readouterr().err
    assert api.path == ""


def test_running_operation_that_was_cancelled_is_described() -> None:
    cancelled = {"cancelled_by": "pm_live_1", "cancel_reason": "the wrong file"}
    running = OperationView.model_validate(RUNNING | cancelled)
    now = rows([running], [], NextLook.model_validate(EXAMPLE))["Now"]
    assert "cancelled by key pm_live_1: the wrong file" in now
