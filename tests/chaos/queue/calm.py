"""Waits until everything has come to its end."""

from __future__ import annotations

import asyncio

from tests.chaos.queue.disturbances import make_due
from tests.chaos.queue.scene import AWAY, Scene

CALM = 400.0
"""Seconds within which everything comes to its end once nothing is disturbed."""
LOOK = 0.2
LEFT = """
select (select count(*) from queue.ready) + (select count(*) from queue.scheduled)
    + (select count(*) from queue.claimed)
"""


async def emptied(scene: Scene) -> list[str]:
    """Wait until nothing waits and nothing is in work; return what was not so in time."""
    try:
        async with asyncio.timeout(CALM):
            while left := await _left(scene):
                await make_due(scene)
                await asyncio.sleep(LOOK)
    except TimeoutError:
        return [f"{left} mails still wait after {CALM:.0f} s"]
    return []


async def _left(scene: Scene) -> int:
    try:
        async with scene.admin() as connection:
            row = await (await connection.execute(LEFT)).fetchone()
    except AWAY:
        return 1
    return int(row[0]) if row else 0
