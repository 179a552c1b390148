"""A restored database, from the sender that stops to the operator's commands and the mail sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from controlplane import faults
from sender.metrics import Metrics
from sender.schemas import State
from tests.support.command_line import run
from tests.support.faults import assert_shows
from tests.support.running_api import running_api

from .conftest import DEADLINE, explained, reaches, sending

TENANT = (
    "insert into oltp.tenants (id, name, generation, document, created_at, updated_at)"
    " values (%s, 'acme', 1, '{}', now(), now())"
)
Penguin = Callable[..., Awaitable[Any]]
RESTORED = "update queue.identity set timeline = timeline + 1"


@pytest.fixture
def penguin(upgraded, tenant_id, tmp_path: Path, monkeypatch, capsys) -> Iterator[Penguin]:
    """Run a command beside the sender; return what it prints, as JSON where it succeeds."""
    with psycopg.connect(upgraded) as admin:
        admin.execute(TENANT, [tenant_id])

    async def penguin(*arguments: str) -> Any:
        code = await asyncio.to_thread(run, *arguments, "-o", "json")
        shown = capsys.readouterr()
        return shown.err if code else json.loads(shown.out)

    with running_api(upgraded, tmp_path / "log") as (url, key):
        monkeypatch.setenv("PENGUIN_STATE_DIR", str(tmp_path / "state"))
        monkeypatch.setenv("PENGUIN_API_URL", url)
        monkeypatch.setenv("PENGUIN_API_KEY", key)
        yield penguin


async def test_restored_database_sends_nothing_until_people_say_what_was_sent(
    settings, entry, publish, submit, sink, sender_engine, upgraded, penguin
):
    settings = settings.model_copy(update={"concurrency": 4})
    metrics = Metrics()
    await publish(entry)
    sink.answers.append("wait")
    in_hand = await submit()
    async with sending(settings, metrics):
        await asyncio.wait_for(sink.arrived.wait(), DEADLINE)
        with psycopg.connect(upgraded) as admin:
            admin.execute(RESTORED)
        due = await submit(subject="due")
        sink.released.set()
        assert (await penguin("queue", "stats"))["is_restored"]
        since = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
        command = ("queue", "recover", "--since", since, "--reason", "backup of noon")
        assert "penguin queue recover" in await penguin(*command, "--as", "unknown")
        assert len(sink.mails) == 1
        assert (await explained(sender_engine, due)).message.state is State.QUEUED
        recovered = await penguin(*command, "--as", "unknown", "--yes")
        assert recovered == {"claimed": 1, "waiting": 1, "is_done": True}
        # The sender still had the answer of the one that was in its hands.
        await reaches(sender_engine, in_hand, State.ACCEPTED)
        await reaches(sender_engine, await submit(subject="new"), State.ACCEPTED)
        unknown = await penguin("mailq", "unknown")
        assert [(u["id"], u["tenant"], u["code"]) for u in unknown] == [
            (str(due), "acme", "database_restored")
        ]
        resolve = ("mailq", "resolve", str(due), "--not-delivered", "--reason", "not in its log")
        assert await penguin(*resolve) == {"resolved": 1, "delivered": False}
        explanation = await reaches(sender_engine, due, State.ACCEPTED)
        assert "not in its log" in [step.message for step in explanation.decisions][1]
        assert_shows(await penguin(*resolve), faults.NOT_UNKNOWN, id=due)
        top = await penguin("top")
        assert [(rate["state"], rate["per_second"]) for rate in top["rates"]] == [
            ("accepted", pytest.approx(3 / 60))
        ]
        assert 0 <= top["wait_p50"] <= top["wait_p95"] <= DEADLINE
        text = metrics.text()
        assert 'penguin_sender_outcomes_total{outcome="done",reason=""} 3\n' in text
        assert 'penguin_sender_addresses{breaker="closed"} 1\n' in text
        assert "\npenguin_sender_outcome_batch_age_seconds 0\n" in text
    assert_shows(await penguin(*command, "--as", "resend", "--yes"), faults.NOT_RESTORED)
    assert len(sink.mails) == 3
