"""Faults that a test or a person injects into an emulator: each for a number of requests."""

from __future__ import annotations

import threading


class Injection:
    """What shall go wrong next; `times` counts down to nothing, -1 lasts until cleared."""

    def __init__(self, *names: str) -> None:
        """Know these faults and no others."""
        self._names = names
        self._waiting: dict[str, int] = {}
        self._lock = threading.Lock()

    def inject(self, name: str, times: int = 1) -> None:
        """Let the next `times` requests that could fail this way do so; raises ValueError."""
        if name not in self._names:
            raise ValueError(f"{name} is not a fault; known: {', '.join(self._names)}")
        with self._lock:
            self._waiting[name] = times

    def clear(self) -> None:
        """Let everything work again."""
        with self._lock:
            self._waiting.clear()

    def strikes(self, name: str) -> bool:
        """Say whether this request fails this way, and count it."""
        with self._lock:
            left = self._waiting.get(name, 0)
            if left > 0:
                self._waiting[name] = left - 1
            return left != 0

    def active(self) -> dict[str, int]:
        """Return what is still to come."""
        with self._lock:
            return {name: left for name, left in self._waiting.items() if left}
