"""Ends processes at a call, a write or a transaction: whichever comes as the n-th."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from enum import StrEnum
from typing import Any
from unittest.mock import patch
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import Database
from hostwinds.client import Client
from hostwinds.journal.fence import Fence
from hostwinds.journal.postgres import PostgresJournal
from kit.database import Role
from stacks import cloudflare_api
from tests.support.points import Killed


class Target(StrEnum):
    """What ends."""

    RECONCILER = "reconciler"
    """With its operation."""
    OPERATION = "operation"
    """Alone: the reconciler gets no result."""
    PAUSED = "paused"
    """The operation is stopped while another reconciler works, and goes on."""


class OperationKilled(BaseException):
    """The process of an operation died: no handler of its own runs."""


class _Thread(threading.local):
    """What is true of each thread."""

    is_operation = False
    """Whether it is the process of an operation."""
    fences = 0
    """How many it holds."""


class Ends:
    """Counts what processes reach; beyond the n-th one, a killed process reaches nothing more.

    An end that was drawn waits for reconcilers to come to it, in any of their passes.
    """

    def __init__(self, exercised: Counter[str]) -> None:
        """`exercised` counts which ends were drawn, and which of them have happened."""
        self._exercised = exercised
        self.overtaken: list[str] = []
        """Changes by operations whose fence a later lease had raised."""
        self._raised: dict[str, int] = {}
        """Fences, by name."""
        self._meanwhile: Callable[[], None] = lambda: None
        self._reached: list[str] = []
        self._target: Target | None = None
        self._left = 0
        self._at = ""
        self._is_working = False
        self._thread = _Thread()

    def arm(
        self, target: Target, after: int, meanwhile: Callable[[], None], *, at: str = ""
    ) -> None:
        """End a target when it has reached so many points, of those that begin with `at`.

        `meanwhile` is what happens while an operation is stopped.
        """
        self._reached, self._target, self._left = [], target, after
        self._meanwhile, self._at = meanwhile, at
        self._exercised[f"{target} drawn"] += 1

    def disarm(self) -> None:
        """Let nothing end any more."""
        self._target = None

    @property
    def is_armed(self) -> bool:
        """Whether an end has not happened yet."""
        return self._target is not None

    @contextmanager
    def working(self) -> Iterator[list[str]]:
        """Let the end come that is armed; afterwards the list says what has ended where, if any."""
        self._is_working, happened = True, list[str]()
        try:
            yield happened
        finally:
            self._is_working = False
            if self._target is not None and self._left < 0:
                self._exercised[f"{self._target} reached"] += 1
                happened.append(f"{self._target} ended at {self._reached[-1]}")
                self._target = None

    @contextmanager
    def operation(self) -> Iterator[None]:
        """Be the process of an operation during the block."""
        self._thread.is_operation = True
        try:
            yield
        finally:
            self._thread.is_operation = False

    def reach(self, what: str) -> None:
        """Come to a point; raises what ends this process."""
        target, is_operation = self._target, self._thread.is_operation
        if target is None or not self._is_working:
            return
        if target is not Target.RECONCILER and not is_operation:
            return
        if self._left < 0:
            if target is Target.RECONCILER:
                raise Killed(what)
            return
        if not what.startswith(self._at):
            return
        self._reached.append(what)
        if self._left > 0:
            self._left -= 1
            return
        if target is Target.PAUSED and self._thread.fences:
            return  # who raises the fence would wait; the next point comes soon
        self._left = -1
        if target is Target.RECONCILER:
            raise Killed(what)
        if target is Target.OPERATION:
            raise OperationKilled(what)
        self._thread.is_operation = False
        self._meanwhile()
        self._thread.is_operation = True

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Let calls to providers, requests and transactions of the journal be points."""
        call, ask = Client._call, cloudflare_api._ask
        transaction, held = PostgresJournal._transaction, Fence.held
        raise_fence = PostgresJournal.raise_fence

        def called(client: Client, action: str, *others: Any) -> Any:
            self.reach(f"before {action}")
            answer = call(client, action, *others)
            self.reach(f"after {action}")
            return answer

        def asked(target: str, *others: Any, method: str = "GET") -> Any:
            self.reach(f"before {method} {target}")
            answer = ask(target, *others, method=method)
            self.reach(f"after {method} {target}")
            return answer

        @contextmanager
        def transacted(journal: PostgresJournal) -> Iterator[Any]:
            self.reach("before a transaction of the journal")
            with transaction(journal) as connection:
                yield connection
            self.reach("after a transaction of the journal")

        def raised(journal: PostgresJournal, name: str, token: int) -> None:
            raise_fence(journal, name, token)
            self._raised[name] = token

        @contextmanager
        def holding(fence: Fence) -> Iterator[None]:
            with held(fence):
                latest = self._raised.get(fence._name, 0)
                if fence.token < latest:
                    self.overtaken.append(
                        f"a change under lease {fence.token}, and {latest} has raised {fence._name}"
                    )
                self._thread.fences += 1
                try:
                    yield
                finally:
                    self._thread.fences -= 1

        wrapped: list[AbstractContextManager[Any]] = [
            patch.object(Client, "_call", called),
            patch.object(cloudflare_api, "_ask", asked),
            patch.object(PostgresJournal, "_transaction", transacted),
            patch.object(Fence, "held", holding),
            patch.object(PostgresJournal, "raise_fence", raised),
        ]
        with ExitStack() as stack:
            for each in wrapped:
                stack.enter_context(each)
            yield


class WatchedDatabase(Database):
    """The reconciler's database, whose transactions are points."""

    def __init__(self, real: Database, ends: Ends) -> None:
        self._real = real
        self._ends = ends
        self.clock = real.clock

    @asynccontextmanager
    async def begin(
        self, role: Role, *, tenant_id: UUID | None = None
    ) -> AsyncIterator[AsyncConnection]:
        """Begin a transaction."""
        self._ends.reach("before a transaction")
        async with self._real.begin(role, tenant_id=tenant_id) as connection:
            yield connection
        self._ends.reach("after a transaction")
