"""A sender, as a process: `sender.daemon.run` until SIGTERM, with settings of standard input."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import Any

from sender import daemon
from sender.composer import Composer
from sender.schemas import OutgoingMessage
from sender.settings import SenderSettings
from tests.bench.sender.loops import runner
from tests.support.plain_log import log_plainly


class Ready(Composer):
    """Takes a message's text for the whole mail."""

    async def write(self, message: OutgoingMessage, **_: object) -> bytes:
        """Return the mail."""
        return (message.text or "").encode()


async def send(settings: dict[str, Any]) -> None:
    """Send until SIGTERM."""
    daemon.collect_rarely()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await daemon.run(SenderSettings(**settings), stop)


if __name__ == "__main__":
    values = json.loads(sys.stdin.readline())
    run = runner(values.pop("loop"))
    if values.pop("ready"):
        vars(daemon)["Composer"] = Ready  # the rest is as it always is
    log_plainly()
    run(send(values))
