"""A part for tests of the supervisor: it writes its lifecycle events to a file.

Its settings are one line of JSON: `name`, `log`, and optionally `gate` (a FIFO that delays
its end until the test opens it) and `ignores_stop` (it does not end at SIGTERM).
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path


def main() -> None:
    settings = json.loads(sys.stdin.readline())
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def record(event: str) -> None:
        with Path(settings["log"]).open("a") as log:
            log.write(f"{settings['name']} {event}\n")

    record("started")
    signal.sigwait({signal.SIGTERM})
    record("stopping")
    if settings.get("ignores_stop"):
        signal.pause()
    if settings.get("gate"):
        Path(settings["gate"]).read_text()
    record("ended")
