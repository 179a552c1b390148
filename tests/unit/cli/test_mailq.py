"""`penguin mailq` against a fake API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.recording_api import RecordingApi

pytestmark = pytest.mark.usefixtures("configured")
TO_DOMAIN = ("--to-domain", "rcpt.example", "--reason", "called off")


@pytest.mark.parametrize("command", [("withdraw", "--yes"), ("retry",)])
def test_mail_to_a_domain_is_changed_page_by_page(command: tuple[str, ...], capsys) -> None:
    pages = {
        None: {"changed": 2, "is_all": False, "next": "a/1"},
        "a/1": {"changed": 0, "is_all": False, "next": "b/2"},
        "b/2": {"changed": 3, "is_all": True, "next": None},
    }

    def answer(_method: str, _path: str, body: dict[str, Any]) -> object:
        assert body["recipient_domain"] == "rcpt.example"
        return pages[body.get("after")]

    assert RecordingApi(answer).penguin("mailq", *command, *TO_DOMAIN) == 0
    assert capsys.readouterr().out.endswith(": 5\n")
