"""`penguin messages` against a fake API."""

from __future__ import annotations

import pytest

from controlplane.messages.schemas import EXAMPLE_RESPONSE, ID
from tests.support.recording_api import RecordingApi

pytestmark = pytest.mark.usefixtures("configured")


@pytest.mark.parametrize("limit", ["0", "-3"])
def test_limit_of_a_list_is_a_positive_number(limit: str, capsys) -> None:
    api = RecordingApi(lambda *_: {"items": [], "next": None})
    assert api.penguin("messages", "list", "-t", "acme", "--limit", limit) == 1
    shown = capsys.readouterr().err
    assert f'--limit cannot be "{limit}"' in shown
    assert "it should be 1 or more" in shown


def test_message_to_cancel_may_be_named_as_a_resource(capsys) -> None:
    api = RecordingApi(lambda *_: EXAMPLE_RESPONSE | {"state": "cancelled"})
    assert api.penguin("messages", "cancel", f"message/{ID}") == 0
    assert api.path == f"/messages/{ID}/cancel"
    assert capsys.readouterr().out == f"message/{ID} cancelled\n"
