"""The processor time of a mail's dialogue alone, as a process: what PostgreSQL does is a pause."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from sender.directory import SendingAddress
from sender.smtp import Egress, Envelope, Limits, Result
from tests.bench.sender.loops import runner

AT_ONCE = 8
COMMIT = 0.004
"""Seconds that an intent takes, with all others that wait then."""
SENDER = f"b+{'a' * 48}@b.d0.t0.example"


class Commits:
    """Lets intents wait together, as a batch of them does."""

    def __init__(self) -> None:
        self._next: asyncio.Future[None] | None = None

    async def begin(self) -> None:
        """Wait for the next commit."""
        if self._next is None:
            loop = asyncio.get_running_loop()
            self._next = loop.create_future()
            loop.call_later(COMMIT, self._commit, self._next)
        await self._next

    def _commit(self, waiting: asyncio.Future[None]) -> None:
        self._next = None
        waiting.set_result(None)


async def hand_over(
    password: str, addresses: Sequence[dict[str, Any]], count: int, mails: Sequence[str]
) -> None:
    """Hand mails over by addresses in turn; print the microseconds of a mail after a quarter."""
    egress, commits = Egress(Limits(at_once=AT_ONCE)), Commits()
    contents = [mail.encode() for mail in mails]
    numbers = iter(range(count))
    began = 0.0

    async def work(address: SendingAddress) -> None:
        nonlocal began
        for number in numbers:
            if number == count // 4:  # connections are open
                began = time.process_time()
            envelope = Envelope(SENDER, f"r{number}@rcpt.example")
            mail = contents[number % len(contents)]
            done = await egress.hand_over(address, password, envelope, mail, commits.begin)
            if done.result is not Result.ACCEPTED:
                raise RuntimeError(done.reply)

    found = [SendingAddress(**address) for address in addresses]
    await asyncio.gather(*(work(address) for address in found for _ in range(AT_ONCE)))
    print(json.dumps(1e6 * (time.process_time() - began) / (count - count // 4)), flush=True)
    await egress.close()


if __name__ == "__main__":
    settings = json.loads(sys.stdin.readline())
    runner(settings.pop("loop"))(hand_over(**settings))
