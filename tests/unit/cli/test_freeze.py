"""`penguin freeze` and `unfreeze`, and where a freeze is shown, against a fake API."""

from __future__ import annotations

import pytest

from cli.faults import USAGE
from controlplane.freezes.schemas import EXAMPLE
from tests.support.recording_api import RecordingApi

WHY = ("--reason", "the bill is being checked")


@pytest.fixture
def api(configured: None) -> RecordingApi:
    return RecordingApi(
        lambda _, path, __: {"items": [EXAMPLE] if path != "/todo" else [], "next": None}
    )


@pytest.mark.parametrize("what", ["purchases", "destruction"])
def test_what_is_frozen_and_goes_on_is_said(api: RecordingApi, capsys, what: str) -> None:
    assert api.penguin("freeze", what, *WHY) == 0
    assert (api.path, api.body) == ("/platform/freeze", {"what": what, "reason": WHY[1]})
    assert capsys.readouterr().out == f"platform: {what} frozen\n"
    assert api.penguin("unfreeze", what, *WHY) == 0
    assert (api.path, api.body) == ("/platform/unfreeze", {"what": what, "reason": WHY[1]})
    assert capsys.readouterr().out == f"platform: {what} not frozen\n"


def test_todo_says_what_is_frozen(api: RecordingApi, capsys) -> None:
    assert api.penguin("todo") == 0
    words = " ".join(capsys.readouterr().out.split())
    assert words.startswith(
        "frozen: purchases of all tenants: the bill is being checked (by key pm_live_3fK9aQ2z, "
    )


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        (["freeze"], "Missing argument"),
        (["freeze", "orders", *WHY], "is not one of"),
        (["freeze", "purchases"], "Missing option"),
        (["freeze", "purchases", "destruction", *WHY], "unexpected extra argument"),
        (["unfreeze", "Purchases", *WHY], "is not one of"),
        (["unfreeze", "purchases"], "Missing option"),
    ],
)
def test_wrong_input_is_refused(api: RecordingApi, capsys, words, mistake) -> None:
    assert api.penguin(*words) != 0
    shown = capsys.readouterr().err
    assert mistake in shown
    assert USAGE.name in shown
    assert "Traceback" not in shown
    assert api.path == ""
