"""Urgent steps beside a pass: what stops people's mail waits for no operation of its tenant.

They belong to the pass, so that its lease and its fences are theirs, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from controlplane.database_faults import log_failure
from controlplane.reconciler.phase import AnyPhase
from controlplane.reconciler.phase_run import converge
from controlplane.reconciler.session import LeaseLost, Session
from controlplane.reconciler.snapshot import Snapshot
from kit.pausing import pause

AFTER_FAILURE = 3
"""How many times as long is waited after a failure: each try is an operation in the list."""


@asynccontextmanager
async def urgent_beside(
    phases: Sequence[AnyPhase], snapshot: Snapshot, session: Session, every: timedelta
) -> AsyncIterator[None]:
    """Look for urgent steps during the block, and run them; one that runs ends before it does."""
    ended = asyncio.Event()
    looking = asyncio.create_task(_look(phases, snapshot, session, every, ended))
    try:
        yield
    finally:
        ended.set()
        await looking


async def _look(
    phases: Sequence[AnyPhase],
    snapshot: Snapshot,
    session: Session,
    every: timedelta,
    ended: asyncio.Event,
) -> None:
    wait = every
    while not await pause(ended, wait.total_seconds()):
        wait = every
        try:
            for phase in phases:
                steps = await phase.urgent_steps(snapshot, session)
                if steps and await converge(phase, steps, snapshot, session):
                    wait = AFTER_FAILURE * every
        except LeaseLost:
            return  # the pass finds it as well, and ends
        except Exception as error:  # noqa: BLE001 - the pass goes on, and they are tried again
            log_failure(error, "urgent steps failed", tenant=snapshot.tenant.name)
            wait = AFTER_FAILURE * every
