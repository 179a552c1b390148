"""The days of a warm-up are counted in the database: by good days, holds and idleness."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from psycopg import AsyncConnection

from kit.database import Role, connection_options
from sender import reasons
from sender.policy.counters import reserve
from sender.policy.database import SQL
from sender.policy.holds import active, hold, list_holds, release
from sender.policy.model import HandOver, Kind, Place, Subject, Warm, at_provider
from sender.policy.warmup import advance, set_day, show, warm
from sender.queue.install import OPTIONS
from tests.support.installation import login

from .conftest import Connection
from .test_counters import now

SUBJECT = Subject(Kind.ADDRESS, "198.18.1.2")
PASSING = (
    # In two steps: a key is checked row by row, and the row of the day before may not be moved yet.
    "update policy.counters set day = day - %(days)s - 10000",
    "update policy.counters set day = day + 10000",
    """update policy.warmup set counted_to = counted_to - %(days)s,
    last_used = last_used - %(days)s, stepped_back_on = stepped_back_on - %(days)s""",
    """update policy.holds set periods = (
    select range_agg(tstzrange(
        lower(p) - %(days)s * interval '1 day', upper(p) - %(days)s * interval '1 day'))
    from unnest(periods) as p)""",
)


async def day_of(connection: Connection, subject: Subject = SUBJECT) -> int:
    found = await warm(connection.cursor(), [subject])
    return found.get(subject, Warm(subject)).day


async def sends(
    connection: Connection, count: int, curve: int = 50, *, also: Collection[Subject] = ()
) -> None:
    one = HandOver(tuple(Place(each, 5000, 5000, curve) for each in (SUBJECT, *also)), now())
    done = await reserve(connection.cursor(), {uuid4(): one for _ in range(count)})
    assert done.refused == {}
    await connection.commit()


async def passes(admin: Connection, days: int = 1) -> None:
    """Let days pass: what was counted, held and set was that long ago."""
    for statement in PASSING:
        await admin.execute(statement, {"days": days})


async def counts(connection: Connection) -> int:
    await advance(connection.cursor())
    await connection.commit()
    return await day_of(connection)


def rows_read(plan: dict[str, Any]) -> int:
    """Return how many rows all nodes of a plan have returned."""
    own: int = round(plan["Actual Rows"] * plan["Actual Loops"])
    return own + sum(rows_read(below) for below in plan.get("Plans", ()))


async def test_what_others_have_sent_today_is_not_read(upgraded: str, admin: Connection):
    """Not even by a plan that was made before anything was counted."""
    others = 1000
    options = connection_options("test", role=login(Role.SENDER), **OPTIONS)
    async with await AsyncConnection.connect(upgraded, **options) as connection:
        query = SQL.warm.replace("%(kinds)b", "$1").replace("%(subjects)b", "$2")
        await connection.execute(f"prepare warm as {query}".encode())
        await connection.execute("execute warm ('{}', '{}')")
        await admin.execute(
            """insert into policy.counters (kind, subject, day)
            select 'mailbox', number, (now() at time zone 'UTC')::date
            from generate_series(1, %s) as number""",
            [others],
        )
        cursor = await connection.execute(
            "explain (analyze, format json) execute warm ('{mailbox,mailbox}', '{1,none}')"
        )
        [[[explained]]] = await cursor.fetchall()
    assert rows_read(explained["Plan"]) < others / 10


async def test_new_subject_is_on_its_first_day(connection: Connection):
    assert await counts(connection) == 1
    [shown] = await show(connection.cursor(), [SUBJECT])
    assert (shown.day, shown.started, shown.last_used, shown.used_today) == (1, None, None, 0)


@pytest.mark.parametrize(("used", "day"), [(35, 2), (50, 2), (34, 1)])
async def test_day_grows_when_most_of_the_cap_was_used(
    connection: Connection, admin: Connection, used: int, day: int
):
    await sends(connection, used)
    assert await counts(connection) == 1  # the day is not over
    await passes(admin)
    assert await counts(connection) == day
    assert await counts(connection) == day  # again
    [shown] = await show(connection.cursor(), [SUBJECT])
    assert (shown.day, shown.good_days, shown.used_today) == (day, day - 1, 0)


async def test_several_days_are_counted_at_once_when_nothing_ran_meanwhile(
    connection: Connection, admin: Connection
):
    for used in (50, 10, 40):
        await sends(connection, used)
        await passes(admin)
    assert await counts(connection) == 3


async def test_days_are_counted_once_by_processes_that_begin_together(
    connection: Connection, other: Connection, admin: Connection
):
    await sends(connection, 50)
    await passes(admin)

    async def step(own: Connection) -> None:
        await advance(own.cursor())
        await own.commit()

    await asyncio.gather(step(connection), step(other), step(connection))
    assert await day_of(connection) == 2


async def test_step_that_is_broken_off_is_done_again(connection: Connection, admin: Connection):
    await sends(connection, 50)
    await passes(admin)
    await advance(connection.cursor())
    await connection.rollback()
    assert await counts(connection) == 2


async def test_day_with_a_hold_is_no_good_day(connection: Connection, admin: Connection):
    await sends(connection, 50)
    await hold(connection.cursor(), SUBJECT, reasons.HELD, timedelta(hours=1))
    await connection.commit()
    await passes(admin)
    assert await counts(connection) == 1


@pytest.mark.parametrize(
    ("held", "days"),
    [
        (SUBJECT, (1, 1, 1)),
        (Subject(Kind.PROVIDER, "google"), (2, 1, 2)),
        (at_provider(SUBJECT.name, "google"), (2, 1, 2)),
        (Subject(Kind.PROVIDER, "apple"), (2, 2, 2)),
    ],
    ids=str,
)
async def test_day_with_a_hold_is_none_of_an_address_at_its_provider(
    connection: Connection, admin: Connection, held: Subject, days: tuple[int, ...]
):
    there = [at_provider(SUBJECT.name, name) for name in ("google", "yahoo")]
    await sends(connection, 50, also=there)
    await hold(connection.cursor(), held, reasons.HELD, timedelta(minutes=1))
    await connection.commit()
    await passes(admin)
    await counts(connection)
    assert tuple([await day_of(connection, each) for each in (SUBJECT, *there)]) == days


async def test_two_holds_in_a_week_step_back_one_day_once(
    connection: Connection, admin: Connection
):
    await set_day(connection.cursor(), [SUBJECT], 10, reason="moved", actor="pm_live_x")
    for _ in range(2):
        await hold(connection.cursor(), SUBJECT, reasons.HELD, timedelta(hours=1))
        await connection.commit()
        await passes(admin, 2)
    assert await counts(connection) == 9
    await passes(admin)
    assert await counts(connection) == 9
    assert (await show(connection.cursor(), [SUBJECT]))[0].steps_back == 1


async def test_holds_that_overlap_or_lie_more_than_a_week_apart_are_no_two(
    connection: Connection, admin: Connection
):
    await set_day(connection.cursor(), [SUBJECT], 10, reason="moved", actor="pm_live_x")
    for _ in range(3):  # a host that refuses one mail after the other
        await hold(connection.cursor(), SUBJECT, reasons.HOST_REFUSED, timedelta(hours=1))
    await connection.commit()
    await passes(admin, 8)
    assert await counts(connection) == 10
    await hold(connection.cursor(), SUBJECT, reasons.HELD, timedelta(hours=1))
    await connection.commit()
    await passes(admin)
    assert await counts(connection) == 10


async def test_thirty_idle_days_start_again(connection: Connection, admin: Connection):
    await set_day(connection.cursor(), [SUBJECT], 20, reason="moved", actor="pm_live_x")
    await connection.commit()
    await passes(admin, 30)
    assert await day_of(connection) == 20
    await passes(admin, 1)
    assert await day_of(connection) == 1  # before the step, too
    await sends(connection, 50)
    await passes(admin)
    assert await counts(connection) == 2


async def test_day_that_a_person_sets_counts_from_now_on(connection: Connection, admin: Connection):
    await sends(connection, 50)
    await passes(admin)
    await set_day(connection.cursor(), [SUBJECT], 20, reason="moved here", actor="pm_live_x")
    assert await counts(connection) == 20
    [shown] = await show(connection.cursor(), [SUBJECT])
    assert (shown.set_by, shown.set_reason) == ("pm_live_x", "moved here")


class TestHolds:
    async def test_hold_lasts_until_its_end_or_its_release(self, connection: Connection):
        cursor = connection.cursor()
        await hold(cursor, SUBJECT, reasons.HOST_REFUSED, None, words="554 no", actor=None)
        found = (await active(cursor))[SUBJECT]
        assert (found.reason, found.words, found.until) == ("host_refused", "554 no", None)
        assert await release(cursor, SUBJECT)
        await connection.commit()
        assert await active(cursor) == {}
        assert not await release(cursor, SUBJECT)

    async def test_hold_says_since_when_it_is_however_long(
        self, connection: Connection, admin: Connection
    ):
        cursor = connection.cursor()
        await hold(cursor, SUBJECT, reasons.HELD, timedelta(hours=1))
        await connection.commit()
        await passes(admin)
        await hold(cursor, SUBJECT, reasons.HELD, None)
        await connection.commit()
        for _ in range(5):
            await passes(admin, 10)
            await counts(connection)
        rows = await connection.execute(
            "select lower(period) from policy.holds, unnest(periods) as period"
        )
        since = [row[0] for row in await rows.fetchall()]
        assert [round((datetime.now(UTC) - one) / timedelta(days=1)) for one in since] == [50]
        assert [one.since for one in await list_holds(connection.cursor())] == since

    async def test_hold_ends_by_itself(self, connection: Connection, admin: Connection):
        await hold(connection.cursor(), SUBJECT, reasons.HELD, timedelta(hours=30))
        await connection.commit()
        assert SUBJECT in await active(connection.cursor())
        await passes(admin, 2)
        await connection.commit()
        assert await active(connection.cursor()) == {}

    async def test_holds_that_overlap_are_explained_by_the_one_that_ends_last(
        self, connection: Connection
    ):
        cursor = connection.cursor()
        for hours, words, shown in ((1, "one", "one"), (3, "three", "three"), (2, "two", "three")):
            await hold(cursor, SUBJECT, reasons.HELD, timedelta(hours=hours), words=words)
            assert (await active(cursor))[SUBJECT].words == shown
        await hold(cursor, SUBJECT, reasons.HELD, None, words="a person's")
        await hold(cursor, SUBJECT, reasons.HOST_REFUSED, timedelta(hours=1))
        found = (await active(cursor))[SUBJECT]
        assert (found.reason, found.words, found.until) == (reasons.HELD, "a person's", None)
