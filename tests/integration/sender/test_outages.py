"""PostgreSQL is away while mail is sent: every mail is delivered once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from sender import migrations
from sender.schemas import State
from tests.support.installation import INSTALLATION
from tools.servers import Postgres

from .conftest import DEADLINE, reaches, sending


@pytest.fixture
def postgres(servers_dir: Path) -> Iterator[Postgres]:
    server = Postgres(servers_dir / "outage-postgres", durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def upgraded(postgres: Postgres) -> str:
    """A database with the sender's schemas alone."""
    migrations.upgrade(postgres.dsn(), INSTALLATION)
    return postgres.dsn()


async def test_hand_overs_continue_soon_after_an_outage(
    settings, entry, publish, submit, sink, sender_engine, postgres
):
    await publish(entry)
    ids = [await submit(subject=f"mail {n}") for n in range(12)]
    sink.answers.append("wait")
    async with sending(settings):
        await asyncio.wait_for(sink.arrived.wait(), DEADLINE)
        await asyncio.to_thread(postgres.stop)
        sink.released.set()  # a reply that cannot be stored for now
        await asyncio.to_thread(postgres.start)
        async with asyncio.timeout(DEADLINE):
            for message_id in ids:
                await reaches(sender_engine, message_id, State.ACCEPTED)
    assert sorted(sink.subjects()) == sorted(f"mail {n}" for n in range(12))
