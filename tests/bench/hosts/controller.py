"""The control plane's processes during a measurement: processor time, and most memory at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

from sandbox import local
from tests.bench.sandboxed import pss
from tests.support.processes import tree

SAMPLE_SECONDS = 2.0
"""A sample takes 2 ms a process: every half a second it was a tenth of a core beside ten hosts."""


@dataclass
class Costs:
    """Of the supervisor, its parts, and all that these start."""

    cpu_seconds: float = 0.0
    """Without connections of ssh, which go on by themselves."""
    peak: float = 0.0
    """Proportional set sizes, in MB, as sampled."""


@contextmanager
def watched() -> Iterator[Costs]:
    """Measure during the block."""
    pid = local.control_plane_pid()
    assert pid is not None
    costs, ended = Costs(), threading.Event()

    def sample() -> None:
        while not ended.wait(SAMPLE_SECONDS):
            costs.peak = max(costs.peak, sum(_pss(each) for each in tree(pid)))

    sampling = threading.Thread(target=sample)
    before = _cpu_seconds(pid)
    sampling.start()
    try:
        yield costs
    finally:
        ended.set()
        sampling.join()
        costs.cpu_seconds = _cpu_seconds(pid) - before


def _pss(pid: int) -> float:
    with suppress(OSError):  # it has ended
        return pss(pid)
    return 0.0


def _cpu_seconds(supervisor: int) -> float:
    """Return the processor time of all processes that live, and of those that they waited for."""
    seconds = 0.0
    for pid in tree(supervisor):
        with suppress(psutil.NoSuchProcess):
            seconds += sum(psutil.Process(pid).cpu_times()[:4])
    return seconds
