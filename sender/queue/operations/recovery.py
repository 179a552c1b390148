"""After a restore or a promotion: what the database may not know."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sender.queue.operations.statements import SQL, Connection, ids


async def is_bound(connection: Connection) -> bool:
    """Say whether database and timeline are those that the queue is bound to."""
    cursor = await connection.execute(SQL.is_bound)
    return bool((await cursor.fetchone() or (False,))[0])


async def bind(connection: Connection) -> None:
    """Go on with this database as it is: nothing was done that it does not know."""
    await connection.execute(SQL.bind)


FIRST = 100
"""Jobs of a bucket that may have been claimed, if its hold ended for a short time."""


@dataclass(frozen=True)
class Recovered:
    """What was settled after a restore or a promotion."""

    claimed: int
    """Jobs in workers' hands at the moment that the database knows of."""
    waiting: int
    """Jobs that were due then, and held ones."""
    is_done: bool = True
    """False: there are more than were asked for, so the queue is not bound yet."""


async def recover(
    connection: Connection,
    since: datetime,
    treat_as: Literal["unknown", "all_unknown", "resend"],
    *,
    most: int | None = None,
    may_have_ended: Collection[str] = (),
) -> Recovered:
    """Settle what may have been claimed or begun since, then go on with this database.

    The database knows everything up to `since`; when in doubt, say later. `unknown`: every job that
    was claimed or, unless it was held, due becomes `unknown`, and so do the first ones of buckets
    that are held for a reason of `may_have_ended`. `all_unknown`: so does every job that is held,
    since people may have ended any hold. Outcomes that workers still have in hand settle theirs,
    the others wait for `resolve`. `resend`: all of them are due again, and what was begun may
    happen twice. Does nothing if the queue is bound to this database. With `most`, about so many of
    those that were due are settled: repeat it until all is done.
    """
    waiting: set[UUID] = set()
    values = {"since": since, "most": most, "with_held": treat_as == "all_unknown"}
    is_done = True
    async with connection.transaction():
        if treat_as != "resend":
            claimed = await ids(connection, SQL.recover_claimed_as_unknown, {})
            waiting = await ids(connection, SQL.recover_waiting_as_unknown, values)
            is_done = most is None or len(waiting) < most
            if is_done:
                held = {"since": since, "first": FIRST, "may_have_ended": list(may_have_ended)}
                waiting |= await ids(connection, SQL.recover_held_as_unknown, held)
        else:
            claimed = await ids(connection, SQL.recover_claimed_as_waiting, {})
        if is_done:
            await bind(connection)
    return Recovered(len(claimed), len(waiting), is_done)
