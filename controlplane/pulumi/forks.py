"""The process that operations are forked from: there only while some may come soon."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext

IDLE = timedelta(minutes=10)


class ForkServer:
    """Starts with the first operation, with the imports of all loaded; ends when it is idle."""

    def __init__(self, preload: str, idle: timedelta = IDLE) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([preload])
        self._idle = idle
        self._lock = threading.Lock()
        self._operations = 0
        self._timer: threading.Timer | None = None

    @contextmanager
    def used(self) -> Iterator[ForkServerContext]:
        """Yield what makes processes, and keep the server until the operation has ended."""
        with self._lock:
            self._operations += 1
            if self._timer is not None:
                self._timer.cancel()
        try:
            yield self._context
        finally:
            with self._lock:
                self._operations -= 1
                if self._operations == 0:
                    self._timer = threading.Timer(self._idle.total_seconds(), self._end)
                    self._timer.daemon = True
                    self._timer.start()

    def _end(self) -> None:
        """The standard library starts both again when they are needed; it has no public end."""
        with self._lock:
            if self._operations == 0:
                forkserver._forkserver._stop()  # type: ignore[attr-defined]  # noqa: SLF001
                resource_tracker._resource_tracker._stop()  # type: ignore[attr-defined]  # noqa: SLF001
