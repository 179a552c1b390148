"""Entry of `pulumi-resource-hostwinds ENGINE_ADDRESS`: prints its port, serves until stopped."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable

from hostwinds.provider.serving import Serving

PARENT_CHECK_SECONDS = 2
"""Interval at which the engine is checked to be alive: a killed one sends nothing."""


def main() -> None:
    """Serve the provider."""
    parent, ending = os.getppid(), threading.Event()
    for code in (signal.SIGINT, signal.SIGTERM):
        signal.signal(code, lambda *_: ending.set())
    serving = Serving(sys.argv[1] if len(sys.argv) > 1 else None)
    print(serving.port, flush=True)
    wait_for_end(ending, lambda: os.getppid() == parent)
    serving.end()


def wait_for_end(ending: threading.Event, has_parent: Callable[[], bool]) -> None:
    """Return on a signal, or when the engine has ended."""
    while not ending.wait(PARENT_CHECK_SECONDS) and has_parent():
        pass


if __name__ == "__main__":
    main()
