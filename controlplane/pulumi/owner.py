"""Locks of stacks: those of dead engines that we started are removed, any other is respected.

Each engine is recorded beside the state, for all replicas, and its operation confirms regularly
that it runs.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

import structlog

from controlplane.pulumi.faults import LOCKED
from kit.faults import Fault
from kit.leftovers import end_leftovers
from kit.processes import has_ended, identity, is_running, machine, own_identity
from stacks.backend import Engine, Lock, Stacks

log = structlog.get_logger()
CONFIRM_SECONDS = 15.0
SILENCE_SECONDS = 90.0
"""An engine of another machine that was not confirmed for so long is taken for dead."""
EXIT_SECONDS = 60.0
"""How long a killed engine may take to exit: a write of the state may be under way."""


def started(pid: int, controller: str, mark: str, fence: int) -> Engine:
    """Return the record of an engine that was just started here."""
    own = str(identity(pid))
    return Engine(socket.gethostname(), machine(), pid, own, controller, mark, fence)


@contextmanager
def recorded(
    stacks: Stacks, stack: str, engine: Engine, *, pause: float = CONFIRM_SECONDS
) -> Iterator[None]:
    """Keep an engine recorded during the block, and end it if another process removes the record.

    That one took it for dead, and may have started another engine. One that cannot be recorded runs
    nevertheless, and is recorded later: if it leaves a lock before, a person has to look.
    """
    # A second time at once: the database may have ended the session of the first one.
    is_recorded = _record(stacks, stack, engine) or _record(stacks, stack, engine)
    ended = threading.Event()
    confirm = partial(_confirm, stacks, stack, engine, is_recorded=is_recorded)
    confirming = threading.Thread(target=confirm, args=[ended, pause], daemon=True)
    confirming.start()
    try:
        yield
    finally:
        ended.set()
        confirming.join()


def _record(stacks: Stacks, stack: str, engine: Engine) -> bool:
    try:
        stacks.record(stack, engine)
    except Fault as fault:
        log.warning("engine not recorded", stack=stack, error=fault.message)
        return False
    return True


def _confirm(
    stacks: Stacks,
    stack: str,
    engine: Engine,
    ended: threading.Event,
    pause: float,
    *,
    is_recorded: bool,
) -> None:
    while not ended.wait(pause):
        try:
            if not is_recorded:
                is_recorded = _record(stacks, stack, engine)
            elif not stacks.confirm(stack, engine):
                end_leftovers(engine.mark)
                return
        except Fault as fault:
            log.warning("engine not confirmed", stack=stack, error=fault.message)


def forget(stacks: Stacks, stack: str, engine: Engine) -> None:
    """Remove the record of an engine that has ended by itself; a killed one leaves its lock."""
    with suppress(Fault):  # it is removed when the next engine starts
        stacks.forget(stack, engine)


def clear_stale_locks(
    stacks: Stacks, stack: str, fence: int | None = None, *, within: float = EXIT_SECONDS
) -> list[Lock]:
    """Remove the locks of dead engines that we started; return them.

    An engine of this machine is ended first where it outlived its controller, works under an
    earlier fence, or is of this process: only the holder of the tenant's lease may call this, and
    starts no operation before the last one has ended. One that has not exited after `within`
    seconds keeps its lock. Raises a fault `cloud.locked` for any other lock.
    """
    removed = []
    engines = {(one.host, one.pid): (one, age) for one, age in stacks.engines(stack)}
    for lock in stacks.locks(stack):
        engine, age = engines.pop((lock.host, lock.pid), (None, 0.0))
        if engine is None or not _is_stale(engine, age, fence or 0, within):
            raise locked(stack, lock)
        # The lock first: without the record of its engine it would stay for ever.
        stacks.unlock(lock)
        stacks.forget(stack, engine)
        removed.append(lock)
    # Of engines that were killed without a lock.
    for engine, age in engines.values():
        if not _may_run(engine, age):
            stacks.forget(stack, engine)
    return removed


def _is_stale(engine: Engine, age: float, fence: int, within: float) -> bool:
    if not _may_run(engine, age):
        return True
    if engine.machine != machine():
        return False
    is_left = engine.controller == own_identity() or not is_running(engine.controller)
    if not is_left and engine.fence >= fence:
        return False
    end_leftovers(engine.mark)
    return has_ended(engine.identity, within=within)


def _may_run(engine: Engine, age: float) -> bool:
    if engine.machine == machine():
        return is_running(engine.identity)
    return age < SILENCE_SECONDS


def locked(stack: str, lock: Lock) -> Fault:
    """Return the fault that names the holder of a stack."""
    holder = f"{lock.user}@{lock.host} (process {lock.pid}) since {lock.since}"
    return LOCKED(holder=holder, stack=stack, where=f"stack/{stack}")
