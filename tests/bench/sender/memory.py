"""The memory of a sender with many idle connections and parsed keys, as a process."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sender import daemon  # noqa: F401 - what a sender has loaded
from sender.composer import KEYS, Signers
from sender.directory import SendingAddress, SendingDomain
from sender.smtp import Egress, Envelope, Limits, Result
from tests.bench.sender.loops import runner

CONNECTIONS = 500
AT_ONCE = 20
MAIL = b"From: a@a.example\r\nSubject: a\r\n\r\n" + b"a\r\n" * 2_000
TENANT = UUID(int=1)


class OneKey:
    """Opens everything as one key."""

    def __init__(self, pem: str) -> None:
        self._pem = pem

    def open(self, _sealed: str, *, context: str) -> bytes:
        """Return the key."""
        return self._pem.encode()


def pss(pid: int) -> float:
    """Return the proportional set size of a process in MB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


async def hold(pem: str, password: str, addresses: list[dict[str, Any]]) -> None:
    """Print the MB before, with the connections, and with the keys, too."""
    steps = [_now()]
    egress = Egress(Limits(keep=600, idle=CONNECTIONS))
    semaphore = asyncio.Semaphore(AT_ONCE)

    async def begin() -> None:
        """Commit nothing."""

    async def hand_over(address: SendingAddress) -> None:
        async with semaphore:
            envelope = Envelope("b@b.example", "r@r.example")
            done = await egress.hand_over(address, password, envelope, MAIL, begin)
            if done.result is not Result.ACCEPTED:
                raise RuntimeError(done.reply)

    await asyncio.gather(*(hand_over(SendingAddress(**address)) for address in addresses))
    steps.append(_now())
    signers, now = Signers(OneKey(pem)), datetime.now(UTC)
    for number in range(KEYS):
        domain = SendingDomain(
            name=f"d{number}.example",
            return_path=f"b.d{number}.example",
            selector="s1",
            sealed_dkim_key="",
            verified=True,
        )
        signers.of(TENANT, domain).sign(MAIL, now)
    steps.append(_now())
    print(json.dumps(steps), flush=True)


def _now() -> float:
    gc.collect()
    return pss(os.getpid())


if __name__ == "__main__":
    settings = json.loads(sys.stdin.readline())
    runner(settings.pop("loop"))(hold(**settings))
