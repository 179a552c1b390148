"""Hosts that misbehave before they let anybody in: each mail waits for that alone."""

from __future__ import annotations

import pytest

from sender.smtp import Egress, Result, Stage

from .hostile import (
    BOB,
    BUSY,
    FIRST,
    LOST,
    NONSENSE,
    ONE,
    OPENING,
    REFUSED,
    Run,
    host,
    run,
    summary,
)
from .scripted_host import Act, mail

__all__ = ["host", "run"]

ACTS = {
    Act.CLOSE: LOST,
    "421 4.3.2 not now": BUSY,
    "451 4.3.0 not now": BUSY,
    "554 5.3.2 never": REFUSED,
    "what?": NONSENSE,
    b"\xff\xfe": NONSENSE,
    "354 250": NONSENSE,
}


@pytest.mark.parametrize("step", OPENING)
@pytest.mark.parametrize("act", ACTS)
async def test_host_that_does_not_let_us_in(run: Run, step: str, act: Act | str | bytes) -> None:
    expected = ACTS[act]
    if step == "AUTH" and act == "554 5.3.2 never":
        expected = (Result.BROKEN, "login_refused")
    run.host.plan = {(step, n): act for n in range(5)}
    outcomes = await run.three()
    assert {summary(outcome) for outcome in outcomes} == {(*expected, OPENING[step])}
    assert (run.begun, run.host.mails) == ([], [])
    assert run.host.counts["GREETING"] == 1, "one connection speaks for all of them"


@pytest.mark.parametrize("step", ["GREETING", "EHLO", "STARTTLS", "INSIDE", "AUTH"])
@pytest.mark.parametrize("act", [Act.BYTES, "several"])
async def test_host_that_lets_us_in_oddly(run: Run, step: str, act: Act | str) -> None:
    lines = {"GREETING": "220-a\r\n220 b", "STARTTLS": "220-a\r\n220 b", "AUTH": "235-a\r\n235 b"}
    run.host.plan[step, 0] = Act.BYTES if act is Act.BYTES else lines.get(step, Act.BYTES)
    outcomes = await run.three()
    assert {outcome.result for outcome in outcomes} == {Result.ACCEPTED}


async def test_host_without_starttls_or_login_gets_no_password(run: Run) -> None:
    run.host.plan["EHLO", 0] = "250 mx1-2.acme.example"
    assert summary(await run.hand_over(FIRST)) == (*NONSENSE, Stage.STARTTLS)
    other = Run(Egress(ONE), run.host)
    run.host.plan["INSIDE", 0] = "250 mx1-2.acme.example"
    assert summary(await other.hand_over(FIRST)) == (*NONSENSE, Stage.AUTH)
    assert not any(line.startswith("AUTH") for line in run.host.lines)


@pytest.mark.parametrize(
    ("change", "reason", "stage"),
    [
        ({"helo": "mx9-9.acme.example"}, "certificate_refused", Stage.STARTTLS),
        ({"port": 1}, "unreachable", Stage.CONNECT),
    ],
)
async def test_host_that_is_not_ours(
    run: Run, change: dict[str, object], reason: str, stage: Stage
) -> None:
    assert summary(await run.hand_over(FIRST, **change)) == (Result.BROKEN, reason, stage)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (Act.CLOSE, "connection_lost"),
        ("what?", "tls_failed"),
        (b"\x15\x03\x03\0\x02\x02\x28", "tls_failed"),
    ],
)
async def test_host_that_breaks_the_handshake(
    run: Run, act: Act | str | bytes, reason: str
) -> None:
    run.host.plan["TLS", 0] = act
    assert summary(await run.hand_over(FIRST)) == (Result.BROKEN, reason, Stage.STARTTLS)


async def test_password_that_the_host_repeats_is_not_stored(run: Run) -> None:
    password, login = "correct horse", "AG14MS0yLmFjbWUAY29ycmVjdCBob3JzZQ=="
    run.host.plan["AUTH", 0] = f"535 5.7.8 no {login} {password}"
    outcome = await run.egress.hand_over(
        run.host.address(), password, BOB, mail(FIRST), run.nothing
    )
    assert any(login in line for line in run.host.lines)
    assert outcome.reply == "535 5.7.8 no [password] [password]"
