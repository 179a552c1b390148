"""Clock, network and standard input of commands; tests inject their own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

import httpx2
from typer._click.globals import get_current_context  # typer vendors click


@dataclass(frozen=True)
class Environment:
    """Waiting, the connection to the API, and standard input."""

    sleep: Callable[[float], object] = time.sleep
    transport: httpx2.BaseTransport | None = None
    """None: the network."""
    stdin: TextIO | None = field(default_factory=lambda: sys.stdin)


def environment() -> Environment:
    """Return the environment that the command line was started with."""
    context = get_current_context(silent=True)
    return (context and context.find_object(Environment)) or Environment()
