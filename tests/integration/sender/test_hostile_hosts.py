"""Hosts that misbehave at each step of a mail: what is said of it is true, and belongs to it."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from pathlib import Path

import pytest

from sender.smtp import Egress, Limits, Outcome, Result, Stage
from tests.support.waiting import SECONDS, reached

from .hostile import (
    BOB,
    BUSY,
    FIRST,
    LOST,
    NONSENSE,
    ONE,
    OPENING,
    REFUSED,
    SECOND,
    SHORT,
    SILENT,
    THIRD,
    Plan,
    Run,
    host,
    run,
    summary,
)
from .scripted_host import Act, Host, mail, running_host, subject_of, turn

__all__ = ["host", "run"]

ENVELOPE = {"MAIL": Stage.MAIL, "RCPT": Stage.RCPT, "DATA": Stage.DATA}


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("step", ENVELOPE)
@pytest.mark.parametrize("act", [Act.CLOSE, "421 4.3.2 x", "451 4.3.0 x", "554 5.7.1 x", "what?"])
async def test_host_that_breaks_the_envelope_of_one_mail(
    run: Run, step: str, act: Act | str, number: int, pipelining: bool
) -> None:
    if not pipelining:
        run.host.extensions = ("SIZE 1000000",)
    run.host.plan[step, number] = act
    outcomes = await run.three()
    bad = outcomes.pop(number)
    assert {outcome.result for outcome in outcomes} == {Result.ACCEPTED}
    if number and step == "MAIL" and act not in {"451 4.3.0 x", "554 5.7.1 x"}:
        assert bad.result is Result.ACCEPTED  # it may be the connection: it was tried over another
        return
    expected = {
        Act.CLOSE: LOST,
        "421 4.3.2 x": BUSY,
        "451 4.3.0 x": BUSY,
        "554 5.7.1 x": REFUSED,
        "what?": NONSENSE,
    }[act]
    assert summary(bad) == (*expected, ENVELOPE[step])
    assert bad.usable == (act in {"451 4.3.0 x", "554 5.7.1 x"})
    assert not bad.begun
    assert len(run.host.mails) == 2


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (Act.CLOSE, (Result.UNKNOWN, "answer_lost")),
        ("what?", (Result.UNKNOWN, "answer_lost")),
        ("299 2.0.0 well", (Result.UNKNOWN, "answer_lost")),
        ("354 more?", (Result.UNKNOWN, "answer_lost")),
        ("421 4.3.2 x", BUSY),
        ("451 4.3.0 x", BUSY),
        ("554 5.3.0 x", REFUSED),
        ("554 5.6.0 x", (Result.CONTENT, "content_refused")),
        ("552 5.3.4 x", (Result.CONTENT, "too_big")),
        ("250", (Result.ACCEPTED, "accepted")),
        ("250-2.0.0 a\r\n250 2.0.0 b", (Result.ACCEPTED, "accepted")),
        (Act.BYTES, (Result.ACCEPTED, "accepted")),
        (Act.ANSWER_AND_CLOSE, (Result.ACCEPTED, "accepted")),
    ],
)
async def test_host_that_answers_one_mail_oddly(
    run: Run, act: Act | str, expected: tuple[Result, str], number: int, pipelining: bool
) -> None:
    if not pipelining:
        run.host.extensions = ("SIZE 1000000",)
    run.host.plan["ANSWER", number] = act
    outcomes = await run.three()
    bad = outcomes.pop(number)
    assert {outcome.result for outcome in outcomes} == {Result.ACCEPTED}
    assert summary(bad) == (*expected, Stage.ANSWER)
    assert bad.begun


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("act", [Act.CLOSE, "421 x", "500 x", "what?", Act.BYTES])
async def test_host_that_does_not_forget_a_refused_mail(
    run: Run, act: Act | str, pipelining: bool
) -> None:
    if not pipelining:
        run.host.extensions = ("SIZE 1000000",)
    run.host.plan = {("RCPT", 0): "450 4.1.1 x", ("RSET", 0): act}
    first, second, third = await run.three()
    assert summary(first) == (*BUSY, Stage.RCPT)
    assert second.result is third.result is Result.ACCEPTED


@pytest.mark.parametrize("act", [Act.CLOSE, Act.SILENCE, "421 x", "500 x", "what?", Act.BYTES])
async def test_host_that_does_not_say_goodbye(run: Run, act: Act | str) -> None:
    run.host.plan["QUIT", 0] = act
    await run.three()
    await asyncio.wait_for(run.egress.close(), SECONDS)
    assert run.host.lines[-1] == "QUIT"
    assert run.egress.state()[0].connections == 0


@pytest.mark.parametrize(
    "plan",
    [
        {("RCPT", 0): "550 5.7.1 x", ("DATA", 0): "354 go on"},
        {("MAIL", 0): "451 4.3.0 x", ("DATA", 0): "354 go on"},
        {("MAIL", 0): "354 go on"},
        {("DATA", 0): "250 go on"},
        {("RCPT", 0): "221 bye"},
        {("MAIL", 0): "250 a\r\n250 b"},
        {("RCPT", 0): "250 a\r\n250 b"},
        {("DATA", 0): "354 a\r\n250 2.0.0 Ok: queued as early"},
        {("DATA", 0): "354 a\r\n25"},
        {("ANSWER", 0): "250 2.0.0 Ok: queued as mail1\r\n250 2.0.0 Ok: queued as again"},
        {("ANSWER", 0): "250 2.0.0 Ok: queued as mail1\r\n421 4.3.2 bye"},
        {("ANSWER", 0): "250 2.0.0 Ok: queued as mail1\r\n354 more"},
        {("RCPT", 0): "250-a\r\n251 b"},
        {("RCPT", 0): "250 " + "a" * 3000},
        {("RCPT", 0): "\r\n".join(["250-a"] * 200)},
        {("RCPT", 0): b"a" * 10_000_000},
        {("RCPT", 0): b"\0" * 100},
    ],
)
@pytest.mark.parametrize("pipelining", [True, False])
async def test_host_that_loses_count(run: Run, plan: Plan, pipelining: bool) -> None:
    """`three` checks that no mail has another one's reply, and none would be sent twice."""
    if not pipelining:
        run.host.extensions = ("SIZE 1000000",)
    run.host.plan = plan
    outcomes = await run.three()
    results = [outcome.result for outcome in outcomes]
    assert results[2] is Result.ACCEPTED
    assert Result.UNKNOWN not in results
    assert "early" not in {outcome.queue_id for outcome in outcomes}


@pytest.mark.parametrize("step", ["MAIL", "RCPT"])
async def test_host_whose_replies_run_into_one(run: Run, step: str) -> None:
    run.host.plan[step, 0] = "250-a"
    first, second, third = await run.three()
    assert summary(first) == (*NONSENSE, Stage.RCPT)
    assert second.result is third.result is Result.ACCEPTED


ODD: tuple[Act | str, ...] = (Act.BYTES, Act.LATE)
WELL: dict[str, tuple[Act | str, ...]] = {
    "MAIL": (*ODD, "250-2.1.0 a\r\n250 2.1.0 b", "250"),
    "RCPT": (*ODD, "250-2.1.5 a\r\n250 2.1.5 b", "251 2.1.5 c", "250"),
    "DATA": (*ODD, "354-a\r\n354 b", "354"),
    "ANSWER": (Act.LATE,),
    "RSET": (Act.LATE,),
}
"""Replies that mean what is expected, by step."""


async def test_host_that_takes_the_envelope_oddly(tmp_path: Path) -> None:
    """In several lines, short, in segments of one octet, late; to the first mail or the second."""
    cases = [
        (step, act, number, pipelining)
        for step, acts in WELL.items()
        for act in acts
        for number in (0, 1)
        for pipelining in (True, False)
    ]
    await asyncio.gather(*(taken_at(tmp_path, *case) for case in cases))


async def taken_at(
    directory: Path, step: str, act: Act | str, number: int, pipelining: bool
) -> None:
    async with running_host(directory) as host:
        run = Run(Egress(ONE), host)
        host.extensions = ("PIPELINING", "SIZE 1000000") if pipelining else ()
        host.plan[step, number] = act
        if step == "RSET":
            host.plan = {("RCPT", number): "450 4.1.1 x", ("RSET", 0): act}
        handed = asyncio.create_task(run.three())
        if act is Act.LATE:
            await reached(
                lambda: counted(host, step), lambda count: count > (0 if step == "RSET" else number)
            )
            host.released.set()
        results = [outcome.result for outcome in await handed]
        refused = [number] if step == "RSET" else []
        expected = [Result.BUSY if n in refused else Result.ACCEPTED for n in range(3)]
        assert results == expected, f"{step} {act} {number} {pipelining}"
        await run.egress.close()


@pytest.mark.parametrize("act", [Act.CLOSE, Act.SILENCE])
async def test_host_that_goes_in_mid_content(run: Run, act: Act) -> None:
    """It takes no more than a part of a large mail, of which nothing is delivered."""
    run.host.plan["CONTENT", 0] = act
    run.host.extensions = ()
    egress = Egress(replace(ONE, block=0.3))
    large = mail(FIRST, "a large mail\r\n" * 600_000)
    outcome = await egress.hand_over(run.host.address(), "password", BOB, large, run.nothing)
    expected = LOST if act is Act.CLOSE else SILENT
    assert summary(outcome) == (*expected, Stage.CONTENT)
    assert not outcome.begun
    assert run.host.mails == []
    await egress.close()


async def test_host_that_closes_in_mid_pipeline(run: Run) -> None:
    run.host.plan["RCPT", 1] = "421 4.3.2 the server stops"
    first, second, third = await run.three()
    assert first.result is third.result is Result.ACCEPTED
    assert summary(second) == (*BUSY, Stage.RCPT)
    assert second.reply == "421 4.3.2 the server stops"


@pytest.mark.parametrize("seed", range(4))
async def test_host_that_does_anything_at_any_time(host: Host, seed: int) -> None:
    """And mails are cancelled at any time."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    limits = Limits(first=3, connections=3, refusals=1000, pause=0.01, farewell=0.1)
    run = Run(Egress(replace(limits, command=0.2, answer=0.2)), host)
    acts: list[Act | str | bytes] = [
        Act.CLOSE, Act.SILENCE, Act.BYTES, Act.ANSWER_AND_CLOSE, Act.NO_ANSWER, "421 4.3.2 x",
        "450 4.3.0 x", "550 5.7.1 x", "250 a\r\n250 b", "354 a", "250-a", "what?", b"\0" * 99_999,
    ]  # fmt: skip
    for step in ("MAIL", "RCPT", "DATA", "ANSWER", "RSET"):
        for number in range(120):
            if chance.random() < 0.15:
                host.plan[step, number] = chance.choice(acts)
    tasks: dict[str, asyncio.Task[Outcome]] = {}
    for number in range(100):
        subject = f"mail{number}"
        tasks[subject] = asyncio.create_task(run.hand_over(subject))
        if chance.random() < 0.5:
            await turn()
        if chance.random() < 0.1:
            tasks[chance.choice(list(tasks))].cancel()
        run.egress.tidy()
    results = await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert all(isinstance(one, Outcome | asyncio.CancelledError) for one in results)
    outcomes = {s: o for s, o in zip(tasks, results, strict=True) if isinstance(o, Outcome)}
    assert len({outcome.result for outcome in outcomes.values()}) >= 4
    received = [subject_of(one) for one in host.mails]
    assert len(received) == len(set(received)), "a mail was delivered twice"
    assert set(received) <= set(run.begun)
    for subject, outcome in outcomes.items():
        if outcome.result is Result.ACCEPTED:
            assert outcome.queue_id in {subject, None}
            assert subject in received
        elif not outcome.begun:
            assert subject not in received
    [state] = run.egress.state()
    assert (state.in_hand, state.waiting) == (0, 0)
    await run.egress.close()
    assert run.egress.state()[0].connections == 0


LIMIT_OF = dict.fromkeys((*OPENING, "TLS"), "opening") | dict.fromkeys(
    (*ENVELOPE, "RSET"), "command"
)
LIMIT_OF["ANSWER"] = "answer"


async def test_host_that_falls_silent(tmp_path: Path) -> None:
    """At each step, to the first mail or the second one of a connection: all at the same time."""
    acts = (Act.SILENCE, Act.NO_ANSWER, "250-x")
    cases = [
        (step, act, number, pipelining)
        for step in LIMIT_OF
        for act in (acts if step in ENVELOPE else acts[:1])
        for number in ((0,) if LIMIT_OF[step] == "opening" else (0, 1))
        for pipelining in (True, False)
        if not (pipelining and act != Act.SILENCE and step != "DATA")
    ]
    await asyncio.gather(*(silent_at(tmp_path, *case) for case in cases))


async def silent_at(
    directory: Path, step: str, act: Act | str, number: int, pipelining: bool
) -> None:
    case = f"{step} {act} {number} {pipelining}"
    egress = Egress(SHORT[LIMIT_OF[step]])
    async with running_host(directory) as host:
        run = Run(egress, host)
        host.extensions = ("PIPELINING", "SIZE 1000000") if pipelining else ()
        host.plan[step, number] = act
        if step == "RSET":
            host.plan = {("RCPT", number): "450 4.1.1 x", ("RSET", 0): act}
        outcomes = await run.three()
        bad = outcomes[number]
        if LIMIT_OF[step] == "opening":
            stage = OPENING.get(step, Stage.STARTTLS)
            assert {summary(outcome) for outcome in outcomes} == {(*SILENT, stage)}, case
        elif step == "ANSWER":
            assert summary(bad) == (Result.UNKNOWN, "answer_lost", Stage.ANSWER), case
        elif step == "RSET":
            assert summary(bad) == (*BUSY, Stage.RCPT), case
        elif step == "MAIL" and number:
            assert bad.result is Result.ACCEPTED, case
        else:
            assert summary(bad) == (*SILENT, ENVELOPE[step]), case
        others = {outcome.result for outcome in outcomes if outcome is not bad}
        assert LIMIT_OF[step] == "opening" or others == {Result.ACCEPTED}, case
        await egress.close()


async def test_host_that_is_late_delays_no_other_address(run: Run, tmp_path: Path) -> None:
    run.host.plan["ANSWER", 0] = Act.LATE
    limits = Limits(first=1)
    egress = Egress(limits)
    late, other = Run(egress, run.host), run
    slow = asyncio.create_task(late.hand_over(FIRST))
    await reached(lambda: counted(run.host, "ANSWER"))
    async with running_host(tmp_path) as fast:
        other = Run(egress, fast)
        for subject in (SECOND, THIRD):
            assert (await other.hand_over(subject)).result is Result.ACCEPTED
    assert not slow.done()
    run.host.released.set()
    assert (await slow).queue_id == FIRST
    await egress.close()


async def counted(host: Host, step: str) -> int:
    return host.counts[step]
