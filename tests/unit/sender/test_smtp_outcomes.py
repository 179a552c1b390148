"""A refusal by our own host is read from its step, its code and its enhanced code."""

from __future__ import annotations

import pytest

from sender.smtp.outcomes import Result, Stage, accepted, refused
from sender.smtp.replies import ReplyReader


def read(line: str):
    return next(ReplyReader().feed(line.encode() + b"\r\n"))


@pytest.mark.parametrize(
    ("stage", "reply", "result", "reason"),
    [
        (Stage.GREETING, "421 4.7.0 too many connections", Result.BUSY, "host_busy"),
        (Stage.GREETING, "554 5.3.2 no service", Result.REFUSED, "host_refused"),
        (Stage.STARTTLS, "454 4.7.0 not now", Result.BUSY, "host_busy"),
        (Stage.AUTH, "454 4.7.0 temporary failure", Result.BUSY, "host_busy"),
        (Stage.AUTH, "535 5.7.8 authentication failed", Result.BROKEN, "login_refused"),
        (Stage.MAIL, "452 4.3.1 insufficient storage", Result.BUSY, "host_busy"),
        (Stage.MAIL, "552 5.3.4 message size exceeds limit", Result.CONTENT, "too_big"),
        (Stage.MAIL, "552 too big", Result.CONTENT, "too_big"),
        (Stage.MAIL, "552 5.2.2 mailbox full", Result.REFUSED, "host_refused"),
        (Stage.MAIL, "553 5.7.1 not owned by user", Result.REFUSED, "host_refused"),
        (Stage.RCPT, "554 5.7.1 relay access denied", Result.REFUSED, "host_refused"),
        (Stage.RCPT, "501 5.1.3 bad recipient address syntax", Result.CONTENT, "envelope_refused"),
        (Stage.RCPT, "501 syntax error", Result.CONTENT, "envelope_refused"),
        (Stage.DATA, "554 5.5.1 no valid recipients", Result.REFUSED, "host_refused"),
        (Stage.ANSWER, "554 5.6.0 bad content", Result.CONTENT, "content_refused"),
        (Stage.ANSWER, "554 5.4.6 too many hops", Result.CONTENT, "content_refused"),
        (Stage.ANSWER, "554 5.7.1 relay access denied", Result.REFUSED, "host_refused"),
        (Stage.ANSWER, "554 transaction failed", Result.REFUSED, "host_refused"),
        (Stage.ANSWER, "451 4.3.0 queue file write error", Result.BUSY, "host_busy"),
    ],
)
def test_refusal(stage: Stage, reply: str, result: Result, reason: str) -> None:
    outcome = refused(stage, read(reply))
    assert (outcome.result, outcome.reason, outcome.reply) == (result, reason, reply)


@pytest.mark.parametrize(
    ("reply", "queue_id"),
    [
        ("250 2.0.0 Ok: queued as 4Qx1yz2Zz3z4", "4Qx1yz2Zz3z4"),
        ("250 2.0.0 Ok", None),
        ("250 2.0.0 Ok: queued as ../../etc", None),
    ],
)
def test_queue_id(reply: str, queue_id: str | None) -> None:
    assert accepted(read(reply), usable=True).queue_id == queue_id
