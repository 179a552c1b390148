"""`/health` evaluates the heartbeats that the parts on all machines have written."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest

from composition.parts.health import probes
from composition.parts.settings import Part
from controlplane.database import Database
from controlplane.health.endpoints import ProbeFailed
from tests.support.installation import INSTALLATION, PASSWORDS

INSERT = """
insert into oltp.heartbeats (part, instance, process, at, progressed_at, trouble)
values (%s, %s, 7, now() - %s * interval '1 s', now() - %s * interval '1 s', '')
"""


@pytest.fixture
async def database(upgraded: str) -> AsyncIterator[Database]:
    pools = Database.connect(upgraded, INSTALLATION, PASSWORDS)
    yield pools
    await pools.close()


def write_heartbeat(
    dsn: str, part: Part, *, instance: str = "mx:/var", silent: int, idle: int
) -> None:
    with psycopg.connect(dsn) as admin:
        admin.execute(INSERT, [part, instance, silent, idle])


@pytest.mark.parametrize(
    ("part", "limit"),
    [(Part.API, 30), (Part.PUBLIC, 30), (Part.RECONCILER, 600), (Part.SENDER, 60)],
)
async def test_loop_without_progress_is_reported_after_the_limit_of_its_part(
    upgraded: str, database: Database, part: Part, limit: int
) -> None:
    write_heartbeat(upgraded, part, instance="one:/var", silent=1, idle=limit - 10)
    assert await probes(database)[part]() == "1 process"
    write_heartbeat(upgraded, part, instance="two:/var", silent=1, idle=limit + 1)
    with pytest.raises(ProbeFailed, match=r"process 7 on two has made no progress for \d+ s"):
        await probes(database)[part]()


async def test_process_that_writes_nothing_is_reported_after_ten_seconds(
    upgraded: str, database: Database
) -> None:
    write_heartbeat(upgraded, Part.SENDER, instance="one:/var", silent=3, idle=3)
    assert await probes(database)[Part.SENDER]() == "1 process"
    write_heartbeat(upgraded, Part.SENDER, instance="two:/var", silent=12, idle=12)
    with pytest.raises(ProbeFailed, match=r"process 7 on two has been silent for \d+ s"):
        await probes(database)[Part.SENDER]()


async def test_part_of_which_nothing_was_written_for_an_hour_is_reported(
    upgraded: str, database: Database
) -> None:
    write_heartbeat(upgraded, Part.RECONCILER, silent=3700, idle=3700)
    with pytest.raises(ProbeFailed, match="no process has reported within the last hour"):
        await probes(database)[Part.RECONCILER]()
