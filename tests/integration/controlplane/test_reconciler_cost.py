"""What passes ask of the database: counted, by the world of `make bench-reconciler`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from controlplane.schedule.schemas import Priority
from tests.bench.reconciler.counting import counted, sequential_scans
from tests.bench.reconciler.world import World
from tests.support.waiting import wait_for

TENANTS = 25
INDEXES = "&options=-c%20enable_seqscan%3Doff"
"""Small tables are read by an index, too, if there is one."""


OF_LOGINS = """
select count(*) from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and usename <> current_user
"""


def scans_of_ended_sessions(dsn: str) -> dict[str, int]:
    """Return how often tables were read as a whole; what a session has counted is seen at its end.

    A client that closes a connection does not wait for that end.
    """
    with psycopg.connect(dsn, autocommit=True) as admin:
        wait_for(lambda: admin.execute(OF_LOGINS).fetchone() == (0,))
    return sequential_scans(dsn)


@pytest.fixture
async def world(upgraded: str, tmp_path: Path) -> AsyncIterator[World]:
    """Tenants at rest."""
    found = World(upgraded + INDEXES, tmp_path, TENANTS)
    await found.settle()
    yield found
    await found.database.close()


async def test_passes_with_nothing_to_do_ask_little_and_read_no_table_as_a_whole(
    world: World, upgraded: str
) -> None:
    others = [name for name in world.names if name not in world.quiet]
    await world.request(others, "'infinity'")
    await world.request(world.quiet)
    await world.database.close()
    before = scans_of_ended_sessions(upgraded)
    with counted() as count:
        passes = await world.until_nothing_is_due()
    await world.database.close()
    assert passes == len(world.quiet)
    ends = world.settings.workers  # each looks once, and finds nothing due
    assert count.commits <= 2 + ends  # those at rest are compared together
    assert len(count.statements) <= 5 + ends
    after = scans_of_ended_sessions(upgraded)
    assert {name for name, scans in after.items() if scans > before[name]} == set()


async def test_whole_passes_with_nothing_to_do_ask_little_and_read_no_table_as_a_whole(
    world: World, upgraded: str
) -> None:
    others = [name for name in world.names if name not in world.quiet]
    await world.request(others, "'infinity'")
    await world.request(world.quiet, priority=Priority.PLATFORM)
    await world.database.close()
    before = scans_of_ended_sessions(upgraded)
    with counted() as count:
        passes = await world.until_nothing_is_due()
    await world.database.close()
    assert passes == len(world.quiet)
    ends = world.settings.workers + 1  # each looks once more, and finds nothing due
    assert count.commits <= 2 * passes + ends
    assert len(count.statements) <= 5 * passes + ends
    after = scans_of_ended_sessions(upgraded)
    assert {name for name, scans in after.items() if scans > before[name]} == set()


async def test_passes_over_tenants_that_wait_and_fail_read_no_table_as_a_whole(
    world: World, upgraded: str
) -> None:
    await world.database.close()
    before = scans_of_ended_sessions(upgraded)
    await world.request([name for name in world.names if name not in world.quiet])
    await world.until_nothing_is_due()
    await world.database.close()
    after = scans_of_ended_sessions(upgraded)
    assert {name for name, scans in after.items() if scans > before[name]} == set()
