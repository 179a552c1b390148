"""The lab for tests: the running one, or one that is started for this test run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kit.faults import Fault
from kit.paths import cache_dir, state_dir
from lab import control, leftovers, repository
from lab.faults import TAKEN
from lab.internet import build
from lab.layers import Layers
from lab.lock import MACHINE_LOCK, alone
from lab.registry import order, stand_in
from lab.running import RunningLab, running
from tests.support.machine import PATIENCE, common_lab, skip_unless_possible, when_free
from tests.support.provider import Customer, customer_of

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run tests that start their own lab first.

    The fixture `lab` keeps the machine's lab until the end of the run.
    """
    with_lab = [item for item in items if HERE in item.path.parents]
    _sort(items, with_lab, lambda item: "lab" in item.fixturenames)
    for item in with_lab:
        if "real_hosts" in getattr(item, "fixturenames", ()):
            _with_patience(item)
    in_order = [item for item in with_lab if item.get_closest_marker("in_order")]
    for module in {item.path for item in in_order}:
        steps = [item for item in in_order if item.path == module]
        _sort(items, steps, lambda item: item.reportinfo()[1] or 0)


def _with_patience(item: pytest.Item) -> None:
    """Let a test that may have to wait for the machine's lab last longer by that time."""
    marker = item.get_closest_marker("timeout")
    seconds = marker.args[0] if marker else float(item.config.getini("timeout"))
    item.add_marker(pytest.mark.timeout(seconds + PATIENCE), append=False)


def _sort(items: list[pytest.Item], selected: list[pytest.Item], key: Callable[..., int]) -> None:
    """Sort the selected items among the positions that they occupy."""
    positions = [index for index, item in enumerate(items) if item in selected]
    for index, item in zip(
        positions, sorted((items[index] for index in positions), key=key), strict=True
    ):
        items[index] = item


@pytest.fixture(scope="session")
def lab_directory() -> Path:
    return state_dir() / "lab"


@pytest.fixture(scope="session")
def real_hosts(lab_directory: Path, request: pytest.FixtureRequest) -> None:
    """Skip if no host can ever run; else build the missing layers, packages and images of hosts.

    One worker builds while it holds the machine's lab lock. The others wait for it, and for other
    checkouts. What tests in containers and in namespaces of their own need is built here, too: they
    could not do so while a lab of these tests runs.
    """
    images = any(HERE / "lab" not in item.path.parents for item in request.session.items)
    skip_unless_possible(lab_directory)

    def build_missing() -> None:
        directory = state_dir() / "building"
        try:
            with alone(directory, MACHINE_LOCK):
                build(cache_dir(), lambda _, line: print(line))
                if images:
                    stand_in.base(cache_dir(), print)
                leftovers.clear(directory)
        except Fault as fault:
            if fault.code is not TAKEN or running(lab_directory) is None:
                raise
            if images:  # the running lab has built all the others
                order.provide(lab_directory, cache_dir(), print)

    def fail_if_missing(message: str) -> None:
        raise LookupError(message)

    layers = Layers(cache_dir(), fail_if_missing)
    try:
        layers.mail()
        if images:
            stand_in.base(cache_dir(), fail_if_missing)
        repository.provide(cache_dir(), layers.host(), fail_if_missing)
    except LookupError:
        when_free(build_missing, lab_directory)


@pytest.fixture(scope="session")
def lab(lab_directory: Path, real_hosts: None) -> Iterator[RunningLab]:
    """A running lab with real hosts: the one of this checkout, or one for all workers."""
    journal = {"HOSTWINDS_JOURNAL": str(lab_directory / "journal.json")}

    def start() -> RunningLab:
        return control.start(lab_directory, journal, print, missing=None)

    with common_lab(
        lab_directory,
        state_dir() / "lab-users",
        lambda: when_free(start, lab_directory),
        lambda: control.stop(lab_directory),
    ) as lab:
        if lab.level == "api":
            pytest.fail(f"the lab that runs has no real hosts ({lab.missing}): end it")
        yield lab


@pytest.fixture(scope="session")
def customer(lab: RunningLab) -> Iterator[Customer]:
    with customer_of(lab) as customer:
        yield customer
