"""Tests of hosts wait for the machine's lab; they are skipped only where no host can ever run."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from lab.check import Machine
from lab.lock import alone
from lab.running import FILE, RunningLab
from tests.support.labs import lab_of_this_process
from tests.support.machine import common_lab, skip_unless_possible, when_free

from .test_check import able as able  # a fixture

ROUTE = "198.18.0.0/16 dev tun0"


def test_machine_that_can_never_run_hosts_skips_their_tests(able: Machine, tmp_path: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match="real hosts cannot run here: not root"):
        skip_unless_possible(tmp_path, replace(able, is_root=False))


def test_machine_whose_addresses_are_in_use_skips_no_test(able: Machine, tmp_path: Path) -> None:
    skip_unless_possible(tmp_path, replace(able, conflicting_route=lambda: ROUTE))


def test_start_waits_until_the_addresses_are_free(able: Machine, tmp_path: Path) -> None:
    routes = [ROUTE, ROUTE, None]
    machine = replace(able, conflicting_route=lambda: routes.pop(0))
    assert when_free(lambda: "lab", tmp_path, machine=machine, machine_lock=tmp_path / "lock") == (
        "lab"
    )
    assert routes == []


def test_start_that_finds_the_machine_taken_is_repeated(able: Machine, tmp_path: Path) -> None:
    path, refusals = tmp_path / "lock", 0
    with ExitStack() as other:
        other.enter_context(alone(tmp_path / "theirs", path))

        def start() -> str:
            nonlocal refusals
            if refusals == 2:
                other.close()
            refusals += 1
            with alone(tmp_path / "ours", path):
                return "lab"

        unused = tmp_path / "not looked at"
        assert when_free(start, tmp_path, machine=able, machine_lock=unused) == "lab"
    assert refusals == 3


def test_test_fails_with_the_reason_if_the_machine_is_not_free_in_time(
    able: Machine, tmp_path: Path
) -> None:
    path = tmp_path / "lock"
    with alone(tmp_path / "theirs", path), pytest.raises(pytest.fail.Exception) as failed:
        when_free(pytest.fail, tmp_path, machine=able, machine_lock=path, seconds=0)
    assert f"within 0 s: another checkout's lab or build holds {path}" in str(failed.value)

    in_use = replace(able, conflicting_route=lambda: ROUTE)
    with pytest.raises(pytest.fail.Exception, match=f"in use: {ROUTE}"):
        when_free(pytest.fail, tmp_path, machine=in_use, machine_lock=path, seconds=0)


def test_lab_of_this_checkout_is_not_waited_for(able: Machine, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lab_of_this_process().write(tmp_path)
    with alone(tmp_path, path):
        assert when_free(lambda: "joined", tmp_path, machine=able, machine_lock=path) == "joined"


class Lab:
    """A lab that is started and ended by test processes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.starts = self.ends = 0

    def start(self) -> RunningLab:
        self.starts += 1
        lab = lab_of_this_process()
        lab.write(self.directory)
        return lab

    def end(self) -> None:
        self.ends += 1
        (self.directory / FILE).unlink()

    def used(self) -> AbstractContextManager[RunningLab]:
        return common_lab(self.directory, self.directory / "users", self.start, self.end)


def test_lab_that_is_common_is_started_once_and_ended_by_its_last_user(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    with lab.used():
        with lab.used():
            pass
        assert (lab.starts, lab.ends) == (1, 0)
    assert (lab.starts, lab.ends) == (1, 1)
    with lab.used():
        assert lab.starts == 2


def test_lab_that_ran_before_its_users_is_not_ended(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.start()
    with lab.used():
        pass
    assert (lab.starts, lab.ends) == (1, 0)
