"""Runs that need one protection each: with it nothing is wrong, without it the auditor counts."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Any

from tests.chaos.reconciler import auditor
from tests.chaos.reconciler.disturbances import Play, end_server
from tests.chaos.reconciler.harness import Plan, Say, audited, busy, declare, running
from tests.chaos.reconciler.points import Point, Target
from tests.chaos.reconciler.scene import FOREIGN_SERVERS
from tests.chaos.reconciler.switches import Without
from tests.support.waiting import reached

PATIENCE = 300.0
"""Seconds in which a run with everything comes to its end, on a slow machine too."""
LONGER = 3.0
"""How many times as long a run may take without a protection before it counts as stuck."""
UNLISTED = 3600.0
"""Seconds from an order until the server is listed, unless the trial shows it before."""
AGAIN = 3.0
"""How many times as long as the first attempt to its order the next one may take to its own."""
TAKEN_OVER = 20.0
"""Seconds for which another reconciler waits, if it does."""
NOTICED = 10.0
"""Seconds in which a process that goes on comes to the provider."""
UNSEEN = 60.0
"""Seconds for which nothing else than the listing, of every second here, shows that a server has
gone: the next regular pass is minutes away."""


async def order_twice(play: Play, patience: float) -> None:
    """Kill an operation that has the answer of its order, before the server is listed.

    It is listed when another attempt has ordered, too, or has had enough time to.
    """
    play.scene.arms.arm(Point.ORDERED, Target.OPERATION)
    began = time.monotonic()
    await _declare(play, mx1=1)
    await _until(lambda: _is_reached(play, Point.ORDERED), patience)
    await _until(lambda: _has_ordered_twice(play), AGAIN * (time.monotonic() - began))
    play.scene.hostwinds.settings.listed_after = 0
    for server in play.scene.hostwinds.all_servers():
        server.wait_for_boot()
        server.visible_at = server.active_at = 0
    await _until(lambda: _has_converged(play), patience)


async def end_what_is_wanted_again(play: Play, patience: float) -> None:
    """Stop an operation right before it ends a server, and let it go on when that is wanted.

    With the fence, which it holds, the next operation waits, and then buys the server again.
    """
    await _declare(play, mx1=1, mx2=1)
    await _until(lambda: _has_converged(play), patience)
    play.scene.arms.arm(Point.TERMINATING, Target.PAUSED)
    await _declare(play, mx1=1)
    await _until(lambda: _is_reached(play, Point.TERMINATING), patience)
    await _declare(play, mx1=1, mx2=1)
    waits = play.scene.without is Without.NOTHING
    await _until(lambda: _has_converged(play), TAKEN_OVER if waits else patience)
    # The operation goes on first: its reconciler, which has lost the lease, would end it.
    for pid in reversed(play.scene.arms.paused()):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        await asyncio.sleep(NOTICED)
    await _until(lambda: _has_converged(play), patience)


async def work_on_one_tenant(play: Play, patience: float) -> None:
    """Declare one tenant before several reconcilers."""
    await _declare(play, mx1=1)
    await _until(lambda: _has_converged(play), patience)


async def end_in_the_portal(play: Play, patience: float) -> None:
    """End a server in the portal, and let nothing else happen."""
    listed = play.scene.without is Without.NOTHING
    await _declare(play, mx1=1)
    # Without the sweep the new server, too, is not seen before its provisioning is overdue.
    await _until(lambda: _has_converged(play), patience if listed else 2 * PATIENCE)
    await end_server(play)
    await _until(lambda: _is_right(play), patience if listed else UNSEEN)


TRIALS: dict[Without, tuple[Callable[[Play, float], Awaitable[None]], float]] = {
    Without.INTENT: (order_twice, UNLISTED),
    Without.FENCE: (end_what_is_wanted_again, 0.5),
    Without.LEASE: (work_on_one_tenant, 0.5),
    Without.SWEEP: (end_in_the_portal, 0.5),
}
"""By what they need: what happens, and when servers are listed."""


async def compare(seed: int, say: Say, chosen: Collection[Without]) -> dict[str, Any]:
    """Make runs with everything and without one; `broken` says where the auditor was wrong."""
    broken, rows = [], []
    for without in chosen:
        act, listed_after = TRIALS[without]
        counts, patience = {}, PATIENCE
        for switched in (Without.NOTHING, without):
            plan = Plan(
                seed=seed,
                tenants=1,
                reconcilers=2,
                kills=[],
                listed_after=listed_after,
                provisioning=PATIENCE,
                without=switched,
            )
            async with running(plan, continues=False) as play:
                began = time.monotonic()
                await act(play, patience)
                patience = LONGER * (time.monotonic() - began)
                found = await audited(play.scene)
            wrong = [f"{kind}: {line}" for kind in auditor.KINDS for line in found[kind]]
            say(f"{act.__name__} without {switched or 'nothing'}: {wrong or 'nothing wrong'}")
            counts[str(switched)] = {kind: len(found[kind]) for kind in auditor.KINDS}
            if bool(wrong) != bool(switched):
                broken.append(f"{act.__name__} without {switched or 'nothing'}: {wrong}")
        rows.append({"without": without, "run": act.__name__, "counts": counts})
    return {"seed": seed, "trials": rows, "broken": broken}


async def _declare(play: Play, **hosts: int) -> None:
    [tenant] = play.scene.tenants
    tenant.hosts = hosts
    await declare(play.scene, tenant)


async def _has_converged(play: Play) -> bool:
    return not await busy(play.scene)


async def _is_right(play: Play) -> bool:
    """Return whether the auditor counts nothing: what is not as wanted is listed for a person."""
    found = await audited(play.scene)
    return not any(found[kind] for kind in auditor.KINDS)


async def _has_ordered_twice(play: Play) -> bool:
    return len(list(play.scene.hostwinds.all_servers())) - len(FOREIGN_SERVERS) > 1


async def _is_reached(play: Play, point: Point) -> bool:
    return not play.scene.arms.is_armed(point)


async def _until(probe: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Wait for something, but not for ever: the auditor sees what did not come."""
    with suppress(TimeoutError):
        await reached(probe, seconds=seconds)
