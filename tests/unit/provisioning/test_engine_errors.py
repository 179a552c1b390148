"""The engine's complaints become one error with a stable code."""

from __future__ import annotations

import pytest

from controlplane.pulumi.errors import Complaint, explain

PENDING = Complaint("mx1-2", "1 error occurred:\n\t* [hostwinds.pending] mx1-2: no free address")


@pytest.mark.parametrize(
    ("text", "code", "retryable"),
    [
        (
            "cloudflare: create TXT a.example: 10000 Internal error (HTTP 500)",
            "cloudflare.error",
            True,
        ),
        (
            "property serverName has a problem: [hostwinds.replacement_name] no; do: rename it",
            "hostwinds.replacement_name",
            False,
        ),
        (
            "[hostwinds.unauthorized] Not Authorized!; do: check the key",
            "hostwinds.unauthorized",
            False,
        ),
        (
            "cloudflare: create: 9109 Invalid access token (HTTP 403)",
            "cloudflare.unauthorized",
            False,
        ),
        (
            "create: 81058 An identical record already exists. (HTTP 400)",
            "dns.foreign_record",
            False,
        ),
        ("create: 81045 Record quota exceeded. (HTTP 400)", "dns.quota", False),
        ("look up: cannot reach http://127.0.0.1:9", "cloud.unreachable", True),
        ("error: the stack is currently locked by 1 lock(s).", "cloud.locked", True),
        ("no resource plugin 'hostwinds' found", "cloud.plugin_missing", False),
        ("something new", "cloud.failed", True),
    ],
)
def test_a_complaint_has_a_code_and_a_remedy(text: str, code: str, retryable: bool) -> None:
    error = explain([Complaint("mx1", text), Complaint(None, "update failed")], "acme")
    assert error is not None
    assert (error.code, error.retryable) == (code, retryable)
    assert error.remedy
    assert error.where == "stack/acme/mx1"


def test_an_address_that_waits_is_no_error() -> None:
    assert explain([PENDING, Complaint(None, "update failed")], "acme") is None


def test_what_is_wrong_besides_a_waiting_address_is_told() -> None:
    refused = Complaint("mx1", "[hostwinds.refused] no; do: ask")
    error = explain([PENDING, refused], "acme")
    assert error is not None
    assert (error.code, error.remedy) == ("hostwinds.refused", "ask")
    assert str(error) == "stack/acme/mx1: no"


def test_a_failure_without_words_is_still_an_error() -> None:
    error = explain([], "acme")
    assert error is not None
    assert error.code == "cloud.failed"
