"""Which worker runs a test, and when: tests share the machine's one lab, and other resources."""

from __future__ import annotations

from itertools import chain, filterfalse

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

LAB = "tests/e2e/"
"""Tests with a lab of their own, or that put the common one into faults: one worker, in turn."""
HOSTS = "tests/e2e/playbooks/"
"""Tests on hosts of the common lab, which those of LAB would disturb."""
APART = (
    "tests/e2e/demo/test_demo.py",
    "tests/e2e/lab/test_clean_end.py",
    "tests/e2e/lab/test_machine.py",
)
"""Tests on hosts that run in namespaces of their own, and disturb no lab."""
SHARED = (
    "tests/contract/mailu/mail/",
    "tests/integration/composition/test_parts.py",
    "tests/integration/sender/test_carry_over.py",
    f"{HOSTS}test_conversion.py",
    f"{HOSTS}test_docker.py",
    f"{HOSTS}test_mailu.py",
    HOSTS,
    LAB,
)
"""Paths of tests with one common resource, of which the first that fits counts: the stand-in's
containers, a complete control plane, a large database, hosts, the lab."""


def shared_path(nodeid: str) -> str | None:
    """Return the path whose tests have a common resource with a test, None if it has none."""
    if nodeid.startswith(APART):
        return None
    return next((path for path in SHARED if nodeid.startswith(path)), None)


def rank(item: pytest.Item) -> int:
    """Return how late a test begins: the longest come first, so that no worker ends with one.

    Those of LAB begin at once, and those of HOSTS as soon as they may.
    """
    path = shared_path(item.nodeid)
    if path is not None:
        return 0 if path == LAB else 1 if path.startswith(HOSTS) else 2
    if item.nodeid.startswith(APART) or item.get_closest_marker("long"):
        return 3
    if item.get_closest_marker("engine"):
        return 4
    return 5 if item.nodeid.startswith("tests/integration/") else 6


def _is_on_hosts(scope: str) -> bool:
    return scope.startswith(HOSTS)


class SharedResources(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Tests below a path of SHARED run on one worker, other tests on any, in the order of ranks.

    xdist's own `loadgroup` scheduler sets node ids, which pytest 9.2 computes, and knows no order.
    """

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # tests are in order already

    def mark_test_complete(
        self, node: WorkerController, item_index: int, duration: float = 0
    ) -> None:
        """Forget a group that is complete; after LAB, give its hosts to workers that wait."""
        scope = self._split_scope(self.registered_collections[node][item_index])
        super().mark_test_complete(node, item_index, duration)
        if all(self.assigned_work[node][scope].values()):
            del self.assigned_work[node][scope]
            if scope == LAB:
                for other in self.nodes:
                    self._reschedule(other)

    def _assign_work_unit(self, node: WorkerController) -> None:
        eligible = (scope for scope in self.workqueue if self._may_begin(scope, node))
        first = next(eligible, None)
        if first is not None and any(map(_is_on_hosts, self.assigned_work[node])):
            # Other hosts are for other workers, unless nothing else is left.
            first = next(filterfalse(_is_on_hosts, chain((first,), eligible)), first)
        if first is not None:
            self.workqueue.move_to_end(first, last=False)
            super()._assign_work_unit(node)

    def _may_begin(self, scope: str, node: WorkerController) -> bool:
        """Return whether a worker may have a group: one on hosts follows LAB."""
        if not _is_on_hosts(scope):
            return True
        others = (work for other, work in self.assigned_work.items() if other is not node)
        return LAB not in self.workqueue and not any(LAB in work for work in others)

    def _split_scope(self, nodeid: str) -> str:
        return shared_path(nodeid) or nodeid
