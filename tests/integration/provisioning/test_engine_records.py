"""An engine is recorded, and its lock removed, although the connection to the state breaks."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from controlplane.pulumi.owner import clear_stale_locks, recorded, started
from kit.faults import Fault
from kit.processes import own_identity
from stacks.backend import Engine, Lock, Stacks
from stacks.faults import STATE_UNREACHABLE
from tests.support.waiting import wait_for

from .engine_records import dead_engine, dead_process, record, sleeping, write_lock

pytestmark = pytest.mark.engine


class Breaking(Stacks):
    """A backend whose connection breaks: at the next calls that record, or when it unlocks."""

    def __init__(self, url: str, *, records: int = 0, unlocks: bool = True) -> None:
        super().__init__(url)
        self._records = records
        self._unlocks = unlocks

    def record(self, stack: str, engine: Engine) -> None:
        if self._records:
            self._records -= 1
            raise STATE_UNREACHABLE(reason="the server closed the connection")
        super().record(stack, engine)

    def unlock(self, lock: Lock) -> None:
        if not self._unlocks:
            raise STATE_UNREACHABLE(reason="the server closed the connection")
        super().unlock(lock)


@pytest.mark.parametrize("failures", [1, 2])
def test_engine_that_is_not_recorded_at_first_is_recorded(
    environment: dict[str, str], tmp_path: Path, failures: int
) -> None:
    stacks = Breaking(environment["PULUMI_BACKEND_URL"], records=failures)
    mark = f"PENGUIN_OPERATION={tmp_path}"
    with sleeping(mark) as process:
        own = started(process.pid, own_identity(), mark, 3)
        with recorded(stacks, "acme", own, pause=0.01):
            wait_for(lambda: [one for one, _ in stacks.engines("acme")] == [own])


def test_lock_that_could_not_be_removed_is_removed_by_the_next(
    environment: dict[str, str],
) -> None:
    pid = dead_process()
    lock = write_lock(environment, pid=pid, host=socket.gethostname())
    record(environment, dead_engine(pid))
    url = environment["PULUMI_BACKEND_URL"]
    with pytest.raises(Fault):
        clear_stale_locks(Breaking(url, unlocks=False), "acme")
    assert lock.exists()
    assert [one.pid for one in clear_stale_locks(Stacks(url), "acme")] == [pid]
    assert not lock.exists()
