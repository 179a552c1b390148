"""Effects that come later than the answer that announced them."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from contextlib import suppress

from kit.faults import Fault

Effect = Callable[[], None]
TICK_SECONDS = 0.1


class ProviderError(Exception):
    """A refusal, with the message of the API."""

    def __init__(self, action: str | None, message: str, number: str | None = None) -> None:
        super().__init__(message)
        self.action = action
        self.number = number


class Agenda:
    """Runs what is due, before each request and, where time passes by itself, in a thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._effects: list[tuple[float, Effect]] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def after(self, seconds: float, effect: Effect) -> None:
        """Run an effect after a time; at once where there is none to wait."""
        if seconds <= 0:
            effect()
            return
        with self._lock:
            self._effects.append((self._clock() + seconds, effect))

    def run_due(self) -> None:
        """Run what is due by now, the oldest first. One that is refused by now does nothing."""
        with self._lock:
            now = self._clock()
            due = sorted((e for e in self._effects if e[0] <= now), key=lambda e: e[0])
            self._effects = [e for e in self._effects if e[0] > now]
        for _, effect in due:
            with suppress(ProviderError):
                effect()

    def start(self) -> None:
        """Let time pass by itself."""
        self._thread = threading.Thread(target=self._work, name="agenda", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; what was due later does not happen."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while not self._stopping.wait(TICK_SECONDS):
            try:
                self.run_due()
            except Fault:
                traceback.print_exc()  # the provider says nothing; the reason is in the log
