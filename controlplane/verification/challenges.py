"""Whether a zone's own servers show the answer to a challenge: an authority asks any of them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from controlplane.certificates.faults import UNFINISHED
from controlplane.verification.names import PORT, Names, texts
from kit.faults import Fault

PAUSE = 1.0
"""Seconds between two looks."""
LONGEST = 90.0
"""Seconds until the order waits for the next pass."""


@dataclass(frozen=True)
class ChallengeNames:
    """Asks the servers of a zone. Recursive ones would keep the answer that there is none."""

    resolver: str | None = None
    authoritative_port: int = PORT

    async def shown(self, zone: str, name: str, content: str) -> None:
        """Return when all servers of a zone that answer show a TXT record; raises UNFINISHED."""
        end = time.monotonic() + LONGEST
        while (trouble := await self._trouble(zone, name, content)) is not None:
            if time.monotonic() > end:
                raise UNFINISHED(name=name, reason=trouble)
            await asyncio.sleep(PAUSE)

    async def _trouble(self, zone: str, name: str, content: str) -> str | None:
        names = Names(self.resolver, authoritative_port=self.authoritative_port)
        try:
            answers = await names.authoritative(zone, name, "TXT")
        except Fault as fault:
            return fault.message
        for server, answer in answers.items():
            if content not in texts(answer.data):
                return f"{server.label} does not show the answer to the challenge"
        return None
