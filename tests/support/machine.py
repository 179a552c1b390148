"""The machine's one lab with real hosts, for tests: they wait while another checkout has it.

They are skipped only where no host can ever run. What is in use for a while is waited for, or a
run beside another one would pass without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from kit.faults import Fault
from kit.locks import locked
from kit.waiting import wait_until
from lab import check
from lab.faults import TAKEN
from lab.lock import MACHINE_LOCK, holder_of
from lab.running import RunningLab, running

T = TypeVar("T")
PATIENCE = 1800.0
"""Seconds; the tests of a whole run have the lab for about as long."""
LONGEST_PAUSE = 2.0


def skip_unless_possible(directory: Path, machine: check.Machine | None = None) -> None:
    """Skip the test if this machine can never run a host, whatever else runs on it."""
    machine = machine or check.Machine()
    reason = check.missing(directory, replace(machine, conflicting_route=lambda: None))
    if reason is not None:
        pytest.skip(f"real hosts cannot run here: {reason}")


def when_free(
    start: Callable[[], T],
    directory: Path,
    *,
    machine: check.Machine | None = None,
    machine_lock: Path = MACHINE_LOCK,
    seconds: float = PATIENCE,
) -> T:
    """Call `start` while no other checkout has the machine's lab; return what it returns.

    `directory` is that of our lab, which may run. It is called again where it finds the machine
    taken after all. The test fails if the machine is not free in time.
    """
    route = (machine or check.Machine()).conflicting_route
    reason = ""

    def attempt() -> tuple[T] | None:
        nonlocal reason
        if running(directory) is None and (used := _in_use(machine_lock, route)) is not None:
            reason = used
            return None
        try:
            return (start(),)
        except Fault as fault:
            if fault.code is not TAKEN:
                raise
            reason = fault.message
            return None

    started = wait_until(attempt, seconds=seconds, longest_pause=LONGEST_PAUSE)
    if started is None:
        pytest.fail(f"no real hosts within {seconds:.0f} s: {reason}", pytrace=False)
    return started[0]


def wait_until_free(directory: Path) -> None:
    """Wait for a moment at which no other checkout has the machine's lab."""
    when_free(lambda: None, directory)


@contextmanager
def common_lab(
    directory: Path,
    users: Path,
    start: Callable[[], RunningLab],
    stop: Callable[[], object],
) -> Iterator[RunningLab]:
    """Yield the lab that runs in a directory, or one for all test processes that want it.

    The last of them ends it, unless it ran before. `users` is a file that they lock.
    """
    with locked(users, shared=True):  # waits while the last user of another one ends that
        lab = running(directory)
        if lab is None:
            lab = start()
            users.write_text(lab.process)
        yield lab

    def refuse() -> None:
        raise BlockingIOError

    with suppress(BlockingIOError), locked(users, refuse):
        lab = running(directory)
        if lab is not None and lab.process == users.read_text():
            stop()


def _in_use(machine_lock: Path, route: Callable[[], str | None]) -> str | None:
    """Return what uses the machine's lab now, None when it is free."""
    if holder_of(machine_lock) is not None:
        return f"another checkout's lab or build holds {machine_lock}"
    if (used := route()) is not None:
        return f"the lab's addresses are in use: {used}"
    return None
