"""Runs a part as a process: settings from standard input, stop on a signal, heartbeat."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import structlog

from cli.errors import reported
from composition.event_log import LOG, log_to
from composition.heartbeat import Progress, Trouble, beat, no_trouble
from composition.parts.settings import Part, PartSettings
from controlplane.database import role_engine
from kit.paths import state_dir

S = TypeVar("S", bound=PartSettings)
Work = Callable[[S, Progress, asyncio.Event], Awaitable[None]]
LAST_HEARTBEAT_SECONDS = 2.0
"""How long a part that ends waits for a hanging database."""


def start(
    part: Part,
    model: type[S],
    work: Work[S],
    trouble: Callable[[S], Trouble] | None = None,
    *,
    run: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run,
) -> None:
    """Read the settings of this part and work until SIGTERM, or until the supervisor has died.

    `run` brings the event loop.
    """
    settings = model.model_validate_json(sys.stdin.buffer.readline())
    log_to(state_dir() / LOG)
    structlog.contextvars.bind_contextvars(part=str(part))
    with reported(lambda: state_dir() / "log" / "penguin.log"):
        run(_run(part, settings, work, trouble))


async def _run(
    part: Part, settings: S, work: Work[S], trouble: Callable[[S], Trouble] | None
) -> None:
    stop, ended, progress = asyncio.Event(), asyncio.Event(), Progress()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_reader(sys.stdin.fileno(), _without_supervisor, stop)
    structlog.get_logger().info("starting", process=os.getpid(), settings=repr(settings))
    role, password = next(iter(settings.passwords.items()))
    engine = role_engine(settings.dsn, settings.login(role), password, pool_size=1)
    check = no_trouble if trouble is None else trouble(settings)
    writing = asyncio.create_task(beat(engine, part, progress, ended, check))
    try:
        await work(settings, progress, stop)
    finally:
        ended.set()
        await asyncio.wait({writing}, timeout=LAST_HEARTBEAT_SECONDS)
        await engine.dispose()
    structlog.get_logger().info("ended", process=os.getpid())


def _without_supervisor(stop: asyncio.Event) -> None:
    """Stop: the pipe is closed when the supervisor's process has ended, however it ended."""
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    stop.set()
