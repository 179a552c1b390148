"""structlog for tests, and for the programs that they start."""

from __future__ import annotations

import logging
from typing import TextIO

import structlog


def log_plainly(stream: TextIO | None = None, *, least: int = logging.NOTSET) -> None:
    """Write events from this level on, by default to standard output.

    structlog itself renders a traceback with all local variables, which takes minutes where these
    hold much. So it is called again after whatever has configured structlog otherwise.
    """
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(stream),
    )
