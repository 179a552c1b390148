"""Places in the caps of a day: reserved with intents, given back with refusals."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import AsyncCursor

from sender.policy import counters
from sender.policy.counters import Refusal
from sender.policy.model import HandOver, Hour, Kind, Place, Subject, at_provider
from tests.support.waiting import reached

from .conftest import Connection

ADDRESS = Subject(Kind.ADDRESS, "198.18.1.2")
DOMAIN = Subject(Kind.DOMAIN, "acme.example")
MAILBOX = Subject(Kind.MAILBOX, "sales@acme.example")
GOOGLE = at_provider("198.18.1.2", "google")


def now() -> Hour:
    at = datetime.now(UTC)
    return Hour(at.date(), at.hour)


def hand_over(most: dict[Subject, int], at: Hour | None = None) -> HandOver:
    """Counts against caps; an hour has no cap of its own unless a test says so."""
    places = tuple(Place(subject, cap, cap, cap) for subject, cap in most.items())
    return HandOver(places, at or now())


def batch(count: int, one: HandOver) -> dict[UUID, HandOver]:
    return {uuid4(): one for _ in range(count)}


async def reserve(
    cursor: AsyncCursor[Any],
    wanted: Mapping[UUID, HandOver],
    *,
    returned: Sequence[HandOver] = (),
) -> Mapping[UUID, Refusal]:
    return (await counters.reserve(cursor, wanted, returned=returned)).refused


async def counted(connection: Connection) -> dict[str, tuple[int, int]]:
    rows = await connection.execute(
        "select subject, used, used_in_hour from policy.counters order by subject"
    )
    return {subject: (used, hour) for subject, used, hour in await rows.fetchall()}


async def test_mails_above_a_cap_have_no_place_and_the_rest_is_counted(connection: Connection):
    one = hand_over({ADDRESS: 50, DOMAIN: 20, MAILBOX: 3, GOOGLE: 50})
    wanted = batch(5, one)
    refused = await reserve(connection.cursor(), wanted)
    assert list(refused) == list(wanted)[3:]
    assert {refusal.subject for refusal in refused.values()} == {MAILBOX}
    assert set((await counted(connection)).values()) == {(3, 3)}


async def test_mail_that_lacks_one_place_takes_none(connection: Connection):
    full = hand_over({ADDRESS: 10, MAILBOX: 1})
    other = hand_over({ADDRESS: 10, Subject(Kind.MAILBOX, "info@acme.example"): 50})
    wanted = batch(8, full) | batch(9, other)
    refused = await reserve(connection.cursor(), wanted)
    assert len(refused) == 7
    assert (await counted(connection))[ADDRESS.name] == (10, 10)


async def test_what_was_used_by_then_is_told(connection: Connection):
    wanted = batch(5, hand_over({ADDRESS: 50, MAILBOX: 3}))
    for used in (3, 3):
        done = await counters.reserve(connection.cursor(), wanted)
        assert done.used == {ADDRESS: (used, used), MAILBOX: (used, used)}
    back = [hand_over({MAILBOX: 3})]
    done = await counters.reserve(
        connection.cursor(), batch(2, hand_over({MAILBOX: 3})), returned=back
    )
    assert (len(done.refused), done.used) == (1, {MAILBOX: (3, 3)})


async def test_hour_has_a_cap_of_its_own(connection: Connection, admin: Connection):
    one = HandOver((Place(MAILBOX, 50, 10, 50),), now())
    assert len(await reserve(connection.cursor(), batch(12, one))) == 2
    await connection.commit()
    await admin.execute("update policy.counters set hour = (hour + 1) %% 24", ())
    assert len(await reserve(connection.cursor(), batch(12, one))) == 2
    assert (await counted(connection))[MAILBOX.name] == (20, 10)


async def test_refusal_gives_the_place_back(connection: Connection):
    one = hand_over({ADDRESS: 3, MAILBOX: 3})
    cursor = connection.cursor()
    assert await reserve(cursor, batch(3, one)) == {}
    assert len(await reserve(cursor, batch(1, one))) == 1
    await reserve(cursor, {}, returned=[one, one])
    assert (await counted(connection))[ADDRESS.name] == (1, 1)
    assert await reserve(cursor, batch(2, one)) == {}
    assert await reserve(cursor, batch(1, one), returned=[one]) == {}


async def test_place_of_an_earlier_hour_or_day_is_given_back_there(
    connection: Connection, admin: Connection
):
    one = hand_over({MAILBOX: 10})
    await reserve(connection.cursor(), batch(4, one))
    await connection.commit()
    earlier = HandOver(one.places, Hour(one.at.day, (one.at.hour + 1) % 24))
    yesterday = HandOver(one.places, Hour(one.at.day - timedelta(days=1), 5))
    await reserve(connection.cursor(), {}, returned=[earlier, yesterday])
    assert await counted(connection) == {MAILBOX.name: (3, 4)}


async def test_caps_of_another_day_are_refused_as_stale(connection: Connection):
    stale = hand_over({MAILBOX: 10}, Hour(now().day - timedelta(days=1), 23))
    refused = await reserve(connection.cursor(), batch(1, stale))
    assert [refusal.is_stale for refusal in refused.values()] == [True]
    assert await counted(connection) == {}


async def test_lower_of_two_caps_that_were_read_at_different_times_counts(connection: Connection):
    wanted = batch(2, hand_over({MAILBOX: 50})) | batch(2, hand_over({MAILBOX: 3}))
    assert len(await reserve(connection.cursor(), wanted)) == 1


async def test_reservation_that_is_rolled_back_counts_nothing(connection: Connection):
    await reserve(connection.cursor(), batch(3, hand_over({MAILBOX: 10})))
    await connection.rollback()
    assert await counted(connection) == {}


def test_hand_over_is_read_as_it_was_written():
    one = hand_over({ADDRESS: 3, GOOGLE: 4})
    assert HandOver.read(one.written()) == one


@pytest.mark.parametrize("seed", [1, 2])
async def test_processes_never_wait_for_each_other_in_a_circle_nor_exceed_a_cap(
    connection: Connection, other: Connection, seed: int
):
    """Reservations and returns of the same rows in any order, at the same time."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    subjects = [Subject(Kind.ADDRESS, f"198.18.1.{n}") for n in range(6)]
    subjects += [Subject(Kind.MAILBOX, f"{n}@acme.example") for n in range(6)]

    async def work(own: Connection) -> int:
        begun: list[HandOver] = []
        for _ in range(60):
            chosen = chance.sample(subjects, 4)
            wanted = batch(chance.randint(1, 5), hand_over(dict.fromkeys(chosen, 40)))
            returned = [begun.pop() for _ in range(min(len(begun), chance.randint(0, 2)))]
            refused = await reserve(own.cursor(), wanted, returned=returned)
            begun += [one for id_, one in wanted.items() if id_ not in refused]
            await own.commit()
        return 4 * len(begun)

    kept = await asyncio.gather(work(connection), work(other))
    found = await counted(connection)
    assert sum(used for used, _ in found.values()) == sum(kept)
    assert max(used for used, _ in found.values()) <= 40


async def test_places_are_counted_of_those_that_waited_for_others(
    connection: Connection, other: Connection, admin: Connection
) -> None:
    one = hand_over({ADDRESS: 5, DOMAIN: 5, MAILBOX: 5, GOOGLE: 5})
    assert not await reserve(connection.cursor(), batch(1, one))
    await connection.commit()

    assert not await reserve(connection.cursor(), batch(2, one))
    waiting = asyncio.create_task(reserve(other.cursor(), batch(3, one)))
    await _until_blocked(admin, other.info.backend_pid)
    await connection.commit()
    refused = await waiting
    await other.commit()

    assert [refusal.is_stale for refusal in refused.values()] == [False]
    assert set((await counted(admin)).values()) == {(5, 5)}


async def _until_blocked(admin: Connection, pid: int) -> None:
    """Wait until a connection waits for another's lock."""

    async def is_blocked() -> bool:
        rows = await admin.execute("select pg_blocking_pids(%s) <> '{}'", [pid])
        row = await rows.fetchone()
        return row is not None and row[0] is True

    await reached(is_blocked)
