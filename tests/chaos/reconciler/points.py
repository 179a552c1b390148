"""Points at which processes end: wrapped around the product's methods, which know nothing of them.

A point is armed by a file. The process that comes to it first takes the file, which is atomic, and
ends what the file names.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Any

from controlplane.pulumi import engine, worker
from controlplane.pulumi.engine import PulumiEngine
from controlplane.reconciler.high_water_mark import HighWaterMark
from controlplane.reconciler.loop import Reconciler
from controlplane.reconciler.phases import cloud
from controlplane.reconciler.session import Session
from controlplane.reconciler.slots import AccountSlots
from controlplane.reconciler.sweep import Sweep
from hostwinds.client import Client
from hostwinds.journal.fence import Fence
from hostwinds.journal.postgres import PostgresJournal
from stacks import leftovers, program
from stacks.leftovers import Search
from tests.support.memory_configurator import MemoryConfigurator
from tests.support.processes import command, tree

Method = Callable[..., Any]


class Target(StrEnum):
    """What ends at a point."""

    RECONCILER = "reconciler"
    OPERATION = "operation"
    """Its process, in which our plugins run, and soon after it the engine."""
    ENGINE = "engine"
    """With the plugins that it has started."""
    PAUSED = "paused"
    """Reconciler, operation and engine are stopped, and go on later."""


class Point(StrEnum):
    """Where."""

    LEASED = "between a lease and what is remembered of its token"
    CLAIMED = "tenant claimed"
    SLOT_TAKEN = "slot of the account taken"
    BEFORE_OPERATION = "before the operation"
    FENCE_RAISED = "fence raised"
    AFTER_OPERATION = "operation's result in hand"
    AWAITED = "what is awaited is written"
    SLOT_KEPT = "before the slot is given back"
    ACCOUNT_LISTED = "account listed, nothing written"
    HOST_STORED = "before the host is stored"
    CONFIGURED = "host configured"
    REMOVED = "all removed, tenant's row left"
    RELEASING = "before the lease is released"
    BEFORE_INTENT = "before an intent"
    INTENT = "between intent and order"
    ORDERED = "order's answer in hand"
    LISTED = "listed, outcome not written"
    SETTLED = "between outcome and checkpoint"
    ADOPTED = "between adoption and checkpoint"
    BEFORE_TERMINATION = "before a termination"
    TERMINATING = "between fence and termination"
    TERMINATED = "termination's answer in hand"
    END_WRITTEN = "between the accepted end and the checkpoint"
    ADDRESS_RELEASED = "address released"
    CLOSING = "before a purchase is closed"
    FENCE_HELD = "between fence and call"
    ANSWERED = "change's answer in hand"
    ZONES_REMEMBERED = "between zones and their first records"
    FIRST_RECORD = "between a first record and the engine"
    LEFTOVER_REMOVED = "leftover record removed"
    CLEARING = "before pending operations are cleared"
    CLEARED = "pending operations cleared"


OF_RECONCILER = tuple(Point)[: tuple(Point).index(Point.BEFORE_INTENT)]
"""The others are in the process of an operation."""


class Arms:
    """Which points are armed, and which were reached, as files."""

    def __init__(self, directory: Path) -> None:
        self._armed, self._reached = directory / "armed", directory / "reached"

    def prepare(self) -> None:
        """Make the directories."""
        self._armed.mkdir(parents=True)
        self._reached.mkdir()

    def arm(self, point: Point, target: Target) -> None:
        """End a target when one comes to a point."""
        partial = self._armed / f".{point.name}"
        partial.write_text(target)
        partial.rename(self._armed / point.name)

    def disarm(self, point: Point) -> bool:
        """Take a point back; return whether nothing came to it."""
        try:
            (self._armed / point.name).unlink()
        except FileNotFoundError:
            return False
        return True

    def is_armed(self, point: Point) -> bool:
        """Return whether nothing has come to a point yet."""
        return (self._armed / point.name).exists()

    def take(self, point: Point) -> Target | None:
        """Take an armed point; None where it is not armed."""
        taken = self._reached / f"{point.name}.{os.getpid()}"
        try:
            (self._armed / point.name).rename(taken)
        except FileNotFoundError:
            return None
        return Target(taken.read_text())

    def pause(self, pids: list[int]) -> None:
        """Write which processes are stopped."""
        path = self._reached / f"paused.{os.getpid()}"
        path.with_suffix(".part").write_text(" ".join(map(str, pids)))
        path.with_suffix(".part").rename(path)

    def paused(self) -> list[int]:
        """Return, once, the processes that stopped themselves."""
        pids: list[int] = []
        for path in self._reached.glob("paused.*[0-9]"):
            pids += map(int, path.read_text().split())
            path.unlink()
        return pids


class Watch:
    """Ends processes at their points; `reconciler` is the PID that this process works for."""

    def __init__(self, arms: Arms, reconciler: int) -> None:
        self._arms = arms
        self.reconciler = reconciler

    def reach(self, point: Point) -> None:
        """Come to a point."""
        target = self._arms.take(point)
        own = os.getpid()
        match target:
            case Target.RECONCILER:
                _signal(self.reconciler, signal.SIGKILL)
            case Target.OPERATION:
                os.kill(own, signal.SIGKILL)
            case Target.ENGINE:
                for pid in reversed(engines(own)):
                    _signal(pid, signal.SIGKILL)
            case Target.PAUSED:
                others = {self.reconciler, *engines(own)} - {own}
                pids = [*others, own]
                self._arms.pause(pids)
                for pid in pids:
                    _signal(pid, signal.SIGSTOP)

    def install(self) -> None:
        """Wrap the methods of this process."""
        p = Point
        around: list[tuple[Any, str, Point | None, Point | None]] = [
            (PulumiEngine, "up", p.BEFORE_OPERATION, p.AFTER_OPERATION),
            (engine, "raise_fence", None, p.FENCE_RAISED),
            (HighWaterMark, "note", p.LEASED, None),
            (MemoryConfigurator, "configure", None, p.CONFIGURED),
            (Client, "order", None, p.ORDERED),
            (PostgresJournal, "open", p.BEFORE_INTENT, p.INTENT),
            (PostgresJournal, "settle", p.LISTED, p.SETTLED),
            (PostgresJournal, "begin_end", None, p.END_WRITTEN),
            (PostgresJournal, "close", p.CLOSING, None),
            (Client, "terminate", p.BEFORE_TERMINATION, p.TERMINATED),
            (Client, "release_address", None, p.ADDRESS_RELEASED),
            (Search, "remember", None, p.ZONES_REMEMBERED),
            (program, "write_first", None, p.FIRST_RECORD),
            (leftovers, "remove_record", None, p.LEFTOVER_REMOVED),
        ]
        for owner, name, before, after in around:
            setattr(owner, name, self._around(getattr(owner, name), before, after))
        ahead: list[tuple[Any, str, Point]] = [
            (Reconciler, "reconcile", p.CLAIMED),
            (Reconciler, "_release", p.RELEASING),
            (cloud, "forget_ended", p.AWAITED),
            (AccountSlots, "end", p.SLOT_KEPT),
            (Sweep, "_write", p.ACCOUNT_LISTED),
            (Session, "save_host", p.HOST_STORED),
            (Session, "delete_tenant", p.REMOVED),
        ]
        for owner, name, point in ahead:
            setattr(owner, name, self._ahead(getattr(owner, name), point))
        others: list[tuple[Any, str, Callable[[Any], Any]]] = [
            (AccountSlots, "take", self._taking),
            (worker, "_run", self._commanding),
            (PostgresJournal, "adopt", self._adopting),
            (Fence, "held", self._holding),
            (Client, "_call", self._calling),
        ]
        for owner, name, wrap in others:
            setattr(owner, name, wrap(getattr(owner, name)))

    def _around(self, original: Method, before: Point | None, after: Point | None) -> Method:
        @wraps(original)
        def wrapped(*arguments: Any, **named: Any) -> Any:
            if before is not None:
                self.reach(before)
            result = original(*arguments, **named)
            if after is not None:
                self.reach(after)
            return result

        return wrapped

    def _ahead(self, original: Method, point: Point) -> Method:
        @wraps(original)
        async def wrapped(*arguments: Any, **named: Any) -> Any:
            self.reach(point)
            return await original(*arguments, **named)

        return wrapped

    def _taking(self, original: Method) -> Method:
        async def take(*arguments: Any) -> Any:
            wait = await original(*arguments)
            if wait is None:
                self.reach(Point.SLOT_TAKEN)
            return wait

        return take

    def _commanding(self, original: Method) -> Method:
        clear = self._around(original, Point.CLEARING, Point.CLEARED)

        def run(job: Any, kind: Any, *others: Any) -> Any:
            return (clear if kind == "clear" else original)(job, kind, *others)

        return run

    def _adopting(self, original: Method) -> Method:
        @wraps(original)
        def adopt(*arguments: Any) -> Any:
            adopted = original(*arguments)
            if adopted is not None:
                self.reach(Point.ADOPTED)
            return adopted

        return adopt

    def _calling(self, original: Method) -> Method:
        @wraps(original)
        def call(client: Client, action: str, parameters: Any, *others: Any) -> Any:
            if action != "terminate":
                return original(client, action, parameters, *others)
            no_answer, permitted = others

            @contextmanager
            def terminating() -> Iterator[None]:
                with permitted():
                    self.reach(Point.TERMINATING)
                    yield

            return original(client, action, parameters, no_answer, terminating)

        return call

    def _holding(self, original: Method) -> Method:
        @contextmanager
        def held(fence: Fence) -> Iterator[None]:
            with original(fence):
                self.reach(Point.FENCE_HELD)
                yield
                self.reach(Point.ANSWERED)

        return held


def engines(pid: int) -> list[int]:
    """Return the engines that a process has started, with the plugins that these have."""
    return [child for child in tree(pid) if child != pid and b"pulumi" in command(child)]


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
