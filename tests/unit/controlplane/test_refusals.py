"""What refusals of a public authority mean, and how long it asks to wait."""

from __future__ import annotations

from datetime import timedelta

import pytest
from acme import errors, messages

from controlplane.acme.refusals import NONCES, refused, seconds_of, tried_again
from controlplane.reconciler.authority import Trouble
from tests.integration.controlplane.conftest import START


def problem(code: str) -> messages.Error:
    return messages.Error.with_code(code, detail="said so")


@pytest.mark.parametrize(
    ("error", "trouble", "text"),
    [
        (problem("rateLimited"), Trouble.LIMITED, "rateLimited: said so"),
        (problem("caa"), Trouble.REFUSED, "caa: said so"),
        (problem("accountDoesNotExist"), Trouble.NO_ACCOUNT, "accountDoesNotExist: said so"),
        (problem("serverInternal"), Trouble.PASSING, "serverInternal: said so"),
        (OSError("connection refused"), Trouble.PASSING, "connection refused"),
        (KeyError("Location"), Trouble.PASSING, "'Location'"),
    ],
)
def test_error_means_what_the_protocol_says(error: Exception, trouble: Trouble, text: str) -> None:
    found = refused(error, "90")
    assert (found.trouble, str(found), found.wait) == (trouble, text, timedelta(seconds=90))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("Tue, 24 Nov 2026 12:02:00 GMT", 120),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0),
        ("soon", None),
        (None, None),
    ],
)
def test_wait_is_a_number_or_a_date_or_none(header: str | None, seconds: float | None) -> None:
    assert seconds_of(header, lambda: START) == seconds


@pytest.mark.parametrize("bad", [problem("badNonce"), errors.BadNonce("n", ValueError("bad"))])
def test_rejected_nonce_is_tried_again_but_not_for_ever(bad: Exception) -> None:
    answers: list[Exception | str] = [bad] * (NONCES - 1) + ["yes"]

    def ask() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert tried_again(ask) == "yes"
    answers += [bad] * NONCES
    with pytest.raises(type(bad)):
        tried_again(ask)
