"""The NTP server that hosts ask: it has this machine's time, or lies (`/_lab/time`)."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from starlette.routing import Route

from lab.injection import Injection

PORT = 123
PAUSE_SECONDS = 0.2
"""How long the end may take."""
LIES, SILENT = "lies_by_an_hour", "silent"
HOUR = 3600.0
REQUEST_BYTES = 48
CLIENT_MODE, SERVER_MODE = 3, 4
STRATUM = 2
SINCE_1900 = 2208988800
REFERENCE = b"LAB\0"


class TimeServer:
    """Answers requests of version 3 and 4 (RFC 5905) on a datagram socket, in a thread."""

    def __init__(self, stream: socket.socket, clock: Callable[[], float] = time.time) -> None:
        self.faults = Injection(LIES, SILENT)
        self._stream = stream
        self._clock = clock
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="time-server", daemon=True)

    def start(self) -> None:
        """Start to answer."""
        self._thread.start()

    def stop(self) -> None:
        """End; returns when the thread has ended."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._stream.close()

    def route(self) -> Route:
        """Return the route by which its faults are injected, listed, and ended."""
        return Route("/_lab/time", self.faults.endpoint, methods=["GET", "POST", "DELETE"])

    def answer(self, request: bytes) -> bytes | None:
        """Return the answer to a request; None for what is none, or where it is silent."""
        if len(request) < REQUEST_BYTES or request[0] & 7 != CLIENT_MODE:
            return None
        if self.faults.consume(SILENT):
            return None
        now = self._clock() + (HOUR if self.faults.consume(LIES) else 0.0)
        version = request[0] >> 3 & 7
        stamp = _timestamp(now)
        head = struct.pack(
            "!BBbb2I4s", version << 3 | SERVER_MODE, STRATUM, request[2], -20, 0, 0, REFERENCE
        )
        return head + stamp + request[40:48] + stamp + stamp

    def _serve(self) -> None:
        self._stream.settimeout(PAUSE_SECONDS)
        while not self._ended.is_set():
            with suppress(TimeoutError):
                request, client = self._stream.recvfrom(1024)
                answer = self.answer(request)
                if answer is not None:
                    with suppress(OSError):  # the client has gone
                        self._stream.sendto(answer, client)


def _timestamp(seconds: float) -> bytes:
    whole = int(seconds)
    return struct.pack("!II", (whole + SINCE_1900) % 2**32, int((seconds - whole) * 2**32))
