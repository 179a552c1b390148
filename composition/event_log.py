"""The control plane's log: one JSON line per event."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import TextIO, cast

LOG = Path("log") / "control-plane.jsonl"
"""In the state directory; every part writes to it."""


class _Sink:
    """A file that drops lines when its disk is full, instead of raising."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, text: str) -> None:
        with suppress(OSError):
            os.write(self._descriptor, text.encode(errors="replace"))

    def flush(self) -> None:
        """Do nothing: no line is buffered."""


def log_to(path: Path) -> None:
    """Write all events to this file, mode 0600; libraries' warnings go to the same file."""
    import structlog

    sink = cast("TextIO", _Sink(path))  # structlog uses no other method
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ],
        logger_factory=structlog.WriteLoggerFactory(sink),
    )
    logging.basicConfig(stream=sink, level=logging.WARNING)
