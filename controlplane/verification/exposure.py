"""Which ports of a host answer from outside, compared with the list of its blueprint.

Published ports of containers pass the host's own rules for input: only a look from outside shows
that nothing else answers.

A port that a firewall drops takes the whole time limit. With 10,000 tenants, 30,000 addresses and
35 ports each, a look a day at every address opens a million connections, twelve in a second. If all
are dropped and 256 are tried at the same time, that takes 8,000 of the 86,400 seconds; passes wait
for as long as that when a process has started, since it remembers nothing. A look in each pass
would take 144 times as long.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from blueprint.document import Address, Host
from blueprint.render import INBOUND, PEOPLE
from controlplane.reconciler.ports import Finding
from controlplane.verification.faults import EXPOSED, SHUT

CHECK = "ports"
AGAIN = timedelta(days=1)
AGAIN_WRONG = timedelta(hours=1)
"""After which an address with wrong ports is scanned again: it may have been corrected by hand."""
SECONDS = 2.0
"""For one port: a lost first packet is repeated after one second (RFC 6298)."""
CONCURRENT = 256
"""Ports that are tried at the same time, for all tenants of the process."""
INTERNAL: Mapping[int, str] = {
    53: "a resolver",
    110: "POP3",
    111: "the port mapper",
    143: "IMAP without encryption",
    995: "POP3",
    2102: "Dovecot's logins",
    2375: "Docker's API",
    2376: "Docker's API",
    2377: "Docker's swarm",
    2525: "Dovecot's LMTP",
    3306: "MySQL",
    3310: "ClamAV",
    4190: "Sieve",
    5232: "Radicale",
    5432: "PostgreSQL",
    6379: "Redis",
    7946: "Docker's swarm",
    8000: "Mailu's logins",
    8080: "Mailu's application",
    9998: "Tika",
    10025: "Postfix for web mail",
    10026: "the inbound instance",
    10143: "IMAP for web mail",
    10204: "Mailu's state",
    11332: "rspamd",
    11333: "rspamd",
    11334: "rspamd",
    11343: "oletools",
}
"""What must never answer from outside, with what usually listens there."""


def listed(ports: Iterable[str]) -> frozenset[int]:
    """Return the TCP ports of a firewall's list, such as `25/tcp`."""
    pairs = (port.partition("/") for port in ports)
    return frozenset(int(number) for number, _, protocol in pairs if protocol == "tcp")


WATCHED = {**INTERNAL, **dict.fromkeys(listed(INBOUND + PEOPLE), "")}
"""The same, and what only some addresses of some hosts open."""
TRIED_ELSEWHERE = frozenset({25, 587})
"""Ports whose mail server is tried by itself: where it is down, that is said there."""


def expected_at(host: Host, address: Address) -> frozenset[int]:
    """Return the ports of the host's list that answer at one of its addresses."""
    ports = set(listed(host.firewall.inbound))
    if address != host.primary:
        ports -= {25} | listed(PEOPLE)
    if not address.sends_bulk:
        ports -= {587}
    return frozenset(ports)


@dataclass(frozen=True)
class Seen:
    """What the last look at an address has shown."""

    at: float
    expected: frozenset[int]
    finding: Finding

    def counts(self, now: float, settled_for: timedelta) -> bool:
        """Return whether it says how the address is: nothing has changed, and it is not old."""
        again = AGAIN if self.finding.code is None else AGAIN_WRONG
        return now - self.at < min(again, settled_for).total_seconds()


@dataclass
class PortScan:
    """Looks at each address once a day, and after each change; remembers what that has shown.

    Where something was wrong, it looks each hour.
    """

    source: str | None = None
    """Source address of connections."""
    watched: Mapping[int, str] = field(default_factory=lambda: WATCHED)
    """Ports that answer only where they are expected, with what usually listens there."""
    expected: Callable[[Host, Address], frozenset[int]] = expected_at
    clock: Callable[[], float] = time.monotonic
    seconds: float = SECONDS
    _seen: dict[str, Seen] = field(default_factory=dict)
    _free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONCURRENT))

    async def look(
        self, host: Host, address: Address, ip: str, *, settled_for: timedelta
    ) -> list[Finding]:
        """Return whether exactly the listed ports of an address answer; nothing where none does.

        A host that is down is tried in each pass, by these few ports alone. A look counts for a day
        or, when something was wrong, an hour, and until the next change of the host; the last one
        was `settled_for` ago. What is found turns nothing off: mail flows.
        """
        expected, now = self.expected(host, address), self.clock()
        seen = self._seen.get(ip)
        if seen is not None and seen.expected == expected and seen.counts(now, settled_for):
            return [replace(seen.finding, subject=f"address/{address.name}")]
        answering = await self._answering(ip, expected)
        if not answering:
            return []
        answering |= await self._answering(ip, self.watched.keys() - expected)
        finding = self._judge(address, ip, expected, answering)
        self._seen[ip] = Seen(now, expected, finding)
        return [finding]

    def _judge(
        self, address: Address, ip: str, expected: Collection[int], answering: Collection[int]
    ) -> Finding:
        subject = f"address/{address.name}"
        if exposed := sorted(set(answering) - set(expected)):
            named = ", ".join(self._named(port) for port in exposed)
            fault = EXPOSED(ip=ip, ports=named)
        elif shut := sorted(set(expected) - set(answering) - TRIED_ELSEWHERE):
            fault = SHUT(ip=ip, ports=", ".join(map(str, shut)), seconds=self.seconds)
        else:
            ports = ", ".join(map(str, sorted(answering)))
            return Finding(subject, CHECK, True, f"{ip}: exactly the listed ports answer: {ports}")
        return replace(Finding.remark(subject, CHECK, fault), asks=True)

    def _named(self, port: int) -> str:
        usual = self.watched.get(port)
        return f"{port} ({usual})" if usual else str(port)

    async def _answering(self, ip: str, ports: Iterable[int]) -> set[int]:
        wanted = sorted(ports)
        answers = await asyncio.gather(*(self._answers(ip, port) for port in wanted))
        return {port for port, answers_ in zip(wanted, answers, strict=True) if answers_}

    async def _answers(self, ip: str, port: int) -> bool:
        """Return whether a port accepts a connection, which is closed at once."""
        local = (self.source, 0) if self.source else None
        async with self._free:
            try:
                async with asyncio.timeout(self.seconds):
                    _, writer = await asyncio.open_connection(ip, port, local_addr=local)
            except (OSError, TimeoutError):
                return False
            writer.transport.abort()
            return True
