"""A bare loop of aiosmtplib, as a process: ready mails over kept connections, without TLS."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence

from aiosmtplib import SMTP

from tests.bench.sender.loops import runner

CONNECTIONS = 20
SENDER = "b@b.bench.example"


async def hand_over(port: int, count: int, mails: Sequence[str]) -> None:
    """Hand mails over in turn, and print how many a second that were."""
    clients = [SMTP(hostname="127.0.0.1", port=port, start_tls=False) for _ in range(CONNECTIONS)]
    contents = [mail.encode() for mail in mails]
    for client in clients:
        await client.connect()
        await client.ehlo()
    numbers = iter(range(count))

    async def work(client: SMTP, numbers: Iterator[int]) -> None:
        for number in numbers:
            content = contents[number % len(contents)]
            await client.sendmail(SENDER, [f"r{number}@rcpt.example"], content)

    began = time.monotonic()
    await asyncio.gather(*(work(client, numbers) for client in clients))
    print(json.dumps(count / (time.monotonic() - began)), flush=True)
    for client in clients:
        await client.quit()


if __name__ == "__main__":
    settings = json.loads(sys.stdin.readline())
    runner(settings.pop("loop"))(hand_over(**settings))
