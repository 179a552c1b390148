"""Tests with a common resource stay on one worker, and those on hosts follow those of the lab."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from tests.support.schedule import SharedResources

LAB = ["tests/e2e/demo/test_trouble.py::test_a", "tests/e2e/lab/test_hosts.py::test_b"]
DOCKER = ["tests/e2e/playbooks/test_docker.py::test_c"]
PLAY = ["tests/e2e/playbooks/test_base.py::test_d", "tests/e2e/playbooks/test_fences.py::test_e"]
APART = ["tests/e2e/lab/test_clean_end.py::test_f"]
UNIT = [f"tests/unit/test_{number}.py::test" for number in range(6)]


class Worker:
    """A worker process as the scheduler sees it."""

    def __init__(self, collection: Sequence[str]) -> None:
        self.gateway = SimpleNamespace(id="")
        self.shutting_down = False
        self.collection = collection
        self.given: list[str] = []

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        self.given += [self.collection[index] for index in indices]

    def shutdown(self) -> None:
        self.shutting_down = True


class Run:
    """A run of tests by two workers."""

    def __init__(self, *groups: list[str]) -> None:
        self.collection = [nodeid for group in groups for nodeid in group]
        options = SimpleNamespace(loadscopereorder=True)
        config: Any = SimpleNamespace(getvalue={"tx": ["2*popen"]}.get, option=options)
        self.schedule = SharedResources(config)
        self.workers = Worker(self.collection), Worker(self.collection)
        for worker in self.workers:
            self.schedule.add_node(worker)
            self.schedule.add_node_collection(worker, self.collection)
        self.schedule.schedule()

    def complete(self, worker: Worker, *nodeids: str) -> None:
        for nodeid in nodeids:
            self.schedule.mark_test_complete(worker, self.collection.index(nodeid))


def test_tests_on_hosts_wait_for_those_of_the_lab_on_other_workers() -> None:
    run = Run(LAB, DOCKER, PLAY, APART, UNIT)
    first, second = run.workers
    assert first.given[:2] == LAB
    assert not set(second.given) & {*DOCKER, *PLAY}

    run.complete(second, *second.given)
    assert not set(second.given) & {*DOCKER, *PLAY}
    run.complete(first, *LAB)

    assert set(DOCKER) <= set(first.given)
    assert set(PLAY) <= set(second.given)


def test_worker_of_the_lab_gets_hosts_before_its_last_test_has_ended() -> None:
    run = Run(LAB, PLAY, UNIT)
    first, second = run.workers
    run.complete(second, *second.given)
    run.complete(first, LAB[0])
    assert first.given[:4] == [*LAB, *PLAY]


def test_group_of_a_worker_that_crashed_is_run_before_the_hosts() -> None:
    run, completed = Run(LAB, DOCKER, UNIT), list[str]()
    first, second = run.workers
    assert run.schedule.remove_node(first) in LAB
    while second.given != completed:
        pending = [nodeid for nodeid in second.given if nodeid not in completed]
        completed.append(pending[0])
        run.complete(second, pending[0])
    assert second.given == [*UNIT, *LAB, *DOCKER]


def test_tests_in_namespaces_of_their_own_are_on_any_worker() -> None:
    run = Run(LAB, APART)
    assert [worker.given for worker in run.workers] == [LAB, APART]
