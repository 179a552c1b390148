"""A part for tests of the supervisor: it writes to a file what happens to it.

Its settings are one line of JSON: `name`, `log`, and where wanted `gate` (a FIFO that holds up its
end until the test opens it) and `deaf` (it does not end at SIGTERM).
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
    record("asked")
    if settings.get("deaf"):
        signal.pause()
    if settings.get("gate"):
        Path(settings["gate"]).read_text()
    record("ended")


if __name__ == "__main__":
    main()
