"""Effects that come later than the answer that announced them."""

from __future__ import annotations

import heapq
import itertools
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress

from kit.faults import Fault

Effect = Callable[[], None]
TICK_SECONDS = 0.1


class Agenda:
    """Runs what is due, when it is asked to and, where time passes by itself, in a thread."""

    def __init__(self, clock: Callable[[], float], *refusals: type[Exception]) -> None:
        """An effect that raises one of `refusals` is not possible any more, and does nothing."""
        self._clock = clock
        self._refusals = refusals
        self._effects: list[tuple[float, int, Effect]] = []
        self._count = itertools.count()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def after(self, seconds: float, effect: Effect) -> None:
        """Run an effect after a time; at once where there is none to wait."""
        if seconds <= 0:
            effect()
            return
        with self._lock:
            due = self._clock() + seconds
            heapq.heappush(self._effects, (due, next(self._count), effect))

    def run_due(self) -> None:
        """Run what is due by now, the oldest first."""
        self._run(self._clock())

    def run_all(self) -> None:
        """Run everything, due or not, the oldest first."""
        self._run(float("inf"))

    def start(self) -> None:
        """Let time pass by itself."""
        self._thread = threading.Thread(target=self._work, name="agenda", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; what was due later does not happen."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, now: float) -> None:
        while (effect := self._next(now)) is not None:
            with suppress(*self._refusals):
                effect()

    def _next(self, now: float) -> Effect | None:
        with self._lock:
            is_due = bool(self._effects) and self._effects[0][0] <= now
            return heapq.heappop(self._effects)[-1] if is_due else None

    def _work(self) -> None:
        while not self._stopping.wait(TICK_SECONDS):
            try:
                self.run_due()
            except Fault:
                traceback.print_exc()  # the provider says nothing; the reason is in the log
