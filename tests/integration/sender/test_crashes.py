"""A sender that is stopped or killed: nothing is lost, and nothing is sent twice."""

from __future__ import annotations

import asyncio
import signal
import sys

import pytest

from sender.schemas import State
from tests.support.waiting import reached

from .conftest import DEADLINE, explained, reaches, sending, value
from .sender_process import PROCESS, environment_of


async def test_process_stopped_during_the_dialogue_leaves_unknown(
    settings, entry, publish, submit, sink, sender_engine
):
    await publish(entry)
    sink.answers.append("hang")
    message_id = await submit()
    async with sending(settings):
        await asyncio.wait_for(sink.arrived.wait(), DEADLINE)
    async with sending(settings):
        explanation = await reaches(sender_engine, message_id, State.UNKNOWN)
    assert explanation.message.reason == "time_limit"
    assert len(sink.mails) == 1


async def test_process_stopped_waits_for_answers_and_gives_the_rest_back(
    settings, entry, publish, submit, sink, sender_engine
):
    await publish(entry)
    sink.answers.append("wait")
    begun = await submit()
    settings = settings.model_copy(update={"grace": DEADLINE})

    async def claimed(count: int) -> None:
        query = "select count(*) from queue.claimed"
        await reached(lambda: value(sender_engine, query), lambda found: found == count)

    async def answer() -> None:
        await claimed(1)
        sink.released.set()

    async with sending(settings):
        await asyncio.wait_for(sink.arrived.wait(), DEADLINE)
        sink.at_recipient.append("wait")
        untried = await submit()
        await claimed(2)
        answering = asyncio.create_task(answer())
    await answering
    assert (await explained(sender_engine, begun)).message.state is State.ACCEPTED
    message = (await explained(sender_engine, untried)).message
    assert (message.state, message.attempts) == (State.QUEUED, 0)
    assert len(sink.mails) == 1


@pytest.mark.parametrize("after", [1, 7, 20])
async def test_process_killed_loses_and_repeats_nothing(
    settings, entry, publish, submit, sink, sender_engine, after
):
    await publish(entry)
    ids = [await submit(subject=f"mail {n}") for n in range(40)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROCESS, env=environment_of(settings)
    )
    sink.kill = (after, process.kill)
    await asyncio.wait_for(process.wait(), DEADLINE)
    assert process.returncode == -signal.SIGKILL
    async with sending(settings):
        done = [await reaches(sender_engine, i, State.ACCEPTED, State.UNKNOWN) for i in ids]
    subjects = sink.subjects()
    assert len(subjects) == len(set(subjects))
    states = {explanation.message.subject: explanation.message.state for explanation in done}
    assert set(states) - set(subjects) <= {
        subject for subject, state in states.items() if state is State.UNKNOWN
    }
    assert State.UNKNOWN in states.values()
    assert list(states.values()).count(State.UNKNOWN) <= settings.concurrency
