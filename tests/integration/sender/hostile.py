"""What tests of hosts that misbehave share: mails that are handed over, and what always holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from sender.smtp import Egress, Envelope, Limits, Outcome, Result, Stage

from .scripted_host import Act, Host, mail, running_host, subject_of

ONE = Limits(first=1, connections=1, farewell=0.2)
"""One connection at a time, which the mails share."""
SHORT = {
    "opening": replace(ONE, opening=10.0),
    "command": replace(ONE, command=10.0),
    "answer": replace(ONE, answer=10.0),
}
"""Limits that end soon, but not before what a busy machine does in time."""
BOB = Envelope("b+token@b.acme.example", "bob@rcpt.example")
FIRST, SECOND, THIRD = "mail1", "mail2", "mail3"
Plan = dict[tuple[str, int], Act | str | bytes]
AGAIN = {Result.BUSY, Result.BROKEN}
"""Results after which a mail is handed over again."""


@dataclass
class Run:
    """Hands over and keeps what was begun."""

    egress: Egress
    host: Host
    begun: list[str] = field(default_factory=list)

    async def hand_over(self, subject: str, **changes: object) -> Outcome:
        async def begin() -> None:
            self.begun.append(subject)

        address = self.host.address(**changes)
        return await self.egress.hand_over(address, "password", BOB, mail(subject), begin)

    async def nothing(self) -> None:
        """Commit nothing."""

    async def three(self) -> list[Outcome]:
        """Hand three mails over at the same time; they share one connection while it lives."""
        subjects = (FIRST, SECOND, THIRD)
        outcomes = await asyncio.gather(*map(self.hand_over, subjects))
        self.check(dict(zip(subjects, outcomes, strict=True)))
        return outcomes

    def check(self, outcomes: dict[str, Outcome]) -> None:
        """What holds whatever the host did."""
        received = [subject_of(one) for one in self.host.mails]
        assert len(received) == len(set(received)), "a mail was delivered twice"
        assert sorted(self.begun) == sorted(s for s, o in outcomes.items() if o.begun)
        for subject, outcome in outcomes.items():
            if outcome.result is Result.ACCEPTED:
                assert outcome.queue_id in {subject, None}, "a reply was counted for another mail"
                assert subject in self.host.taken
            elif outcome.result in AGAIN:
                assert subject not in self.host.taken, "it would be delivered twice"


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    async with running_host(tmp_path) as running:
        yield running


@pytest.fixture
async def run(host: Host) -> AsyncIterator[Run]:
    egress = Egress(ONE)
    yield Run(egress, host)
    await egress.close()


def summary(outcome: Outcome) -> tuple[Result, str, Stage]:
    return outcome.result, outcome.reason, outcome.stage


LOST, SILENT = (Result.BROKEN, "connection_lost"), (Result.BROKEN, "host_silent")
BUSY, REFUSED = (Result.BUSY, "host_busy"), (Result.REFUSED, "host_refused")
NONSENSE = (Result.BROKEN, "protocol_violation")
OPENING = {
    "GREETING": Stage.GREETING,
    "EHLO": Stage.EHLO,
    "STARTTLS": Stage.STARTTLS,
    "INSIDE": Stage.EHLO_INSIDE,
    "AUTH": Stage.AUTH,
}
