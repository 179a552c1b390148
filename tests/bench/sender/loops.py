"""The event loop that a process of the bench runs on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

LOOPS = ("uvloop", "asyncio")


def runner(loop: str) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Return what runs a coroutine on a loop."""
    return uvloop.run if loop == "uvloop" else asyncio.run
