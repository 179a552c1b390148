"""The fence of an operation: held around each call that changes something at a provider.

A process that was stopped for longer than its lease finds, when it continues, that its fence was
raised. One that is raised meanwhile waits for the call's answer.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from hostwinds.journal.choice import journal_from_environment
from hostwinds.journal.port import Hold, Journal

VARIABLE = "HOSTWINDS_FENCE"
"""`name:token`, set by the reconciler for each operation. By hand, where Pulumi's own lock excludes
other runs, it is not set."""


class Fence:
    """The fence of one operation; without a name, that of a run by hand, which has none."""

    def __init__(self, journal: Journal | None = None, name: str = "", token: int = 0) -> None:
        self._journal = journal
        self._name = name
        self.token = token
        self._thread = threading.local()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Fence:
        """Return the fence of HOSTWINDS_FENCE in the journal of HOSTWINDS_JOURNAL."""
        name, _, token = environment.get(VARIABLE, "").partition(":")
        return cls(journal_from_environment(environment), name, int(token)) if name else cls()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the fence during the block; raises SUPERSEDED, JOURNAL_UNAVAILABLE.

        Inside of another such block of this thread it only checks that the fence is still held.
        """
        outer: Hold | None = getattr(self._thread, "hold", None)
        if self._journal is None or outer is not None:
            if outer is not None:
                outer.check()
            yield
            return
        with self._journal.hold(self._name, self.token) as hold:
            self._thread.hold = hold
            try:
                yield
            finally:
                self._thread.hold = None
