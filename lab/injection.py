"""Faults injected into an emulator by its `/_lab/faults`, each for a number of requests."""

from __future__ import annotations

import threading

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class Injection:
    """The pending faults; `times` counts down to zero, -1 lasts until cleared."""

    def __init__(self, *names: str) -> None:
        """Accept these names only."""
        self._names = names
        self._pending: dict[str, int] = {}
        self._lock = threading.Lock()

    def inject(self, name: str, times: int = 1) -> None:
        """Let the next `times` requests fail this way; raises ValueError for other values."""
        if name not in self._names:
            raise ValueError(f"{name} is not a fault; use one of: {', '.join(self._names)}")
        if not isinstance(times, int) or times == 0 or times < -1:
            raise ValueError("times is a number of requests, or -1")
        with self._lock:
            self._pending[name] = times

    def clear(self) -> None:
        """Remove all pending faults."""
        with self._lock:
            self._pending.clear()

    def consume(self, name: str) -> bool:
        """Tell whether this request fails this way, and count it down."""
        with self._lock:
            remaining = self._pending.get(name, 0)
            if remaining > 0:
                self._pending[name] = remaining - 1
            return remaining != 0

    def active(self) -> dict[str, int]:
        """Return the pending faults, with their counts."""
        with self._lock:
            return {name: remaining for name, remaining in self._pending.items() if remaining}

    async def endpoint(self, request: Request) -> Response:
        """Inject (`{"fault": name, "times": n}`), list, or clear faults."""
        if request.method == "POST":
            body = await request.json()
            try:
                self.inject(str(body.get("fault")), body.get("times", 1))
            except ValueError as unknown:
                return JSONResponse({"error": str(unknown)}, 400)
        elif request.method == "DELETE":
            self.clear()
        return JSONResponse(self.active())
