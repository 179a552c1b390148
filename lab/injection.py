"""Faults injected into an emulator by its `/_lab/faults`, each for a number of requests."""

from __future__ import annotations

import threading

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class Injection:
    """The faults to come; `times` counts down to zero, -1 lasts until cleared."""

    def __init__(self, *names: str) -> None:
        """Accept these names only."""
        self._names = names
        self._waiting: dict[str, int] = {}
        self._lock = threading.Lock()

    def inject(self, name: str, times: int = 1) -> None:
        """Let the next `times` requests fail this way; raises ValueError for other names."""
        if name not in self._names:
            raise ValueError(f"{name} is not a fault; use one of: {', '.join(self._names)}")
        with self._lock:
            self._waiting[name] = times

    def clear(self) -> None:
        """Inject no fault any more."""
        with self._lock:
            self._waiting.clear()

    def strikes(self, name: str) -> bool:
        """Tell whether this request fails this way, and count it."""
        with self._lock:
            left = self._waiting.get(name, 0)
            if left > 0:
                self._waiting[name] = left - 1
            return left != 0

    def active(self) -> dict[str, int]:
        """Return the faults that are left, with their counts."""
        with self._lock:
            return {name: left for name, left in self._waiting.items() if left}

    async def endpoint(self, request: Request) -> Response:
        """Inject (`{"fault": name, "times": n}`), list, or clear faults."""
        if request.method == "POST":
            body = await request.json()
            try:
                self.inject(body["fault"], body.get("times", 1))
            except ValueError as unknown:
                return JSONResponse({"error": str(unknown)}, 400)
        elif request.method == "DELETE":
            self.clear()
        return JSONResponse(self.active())
