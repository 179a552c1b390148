"""What checks from outside cost: real ones, at name servers and mail servers in another thread.

Names for links are not among them, and neither are log-ins at hosts, which are processes of SSH.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from blueprint.document import Address, Blueprint
from blueprint.senders import addresses_of
from controlplane.authority.certificates import create_ca, issue
from controlplane.reconciler.ports import CloudState, Finding, ObservedAddress, ObservedHost
from controlplane.verification import InternetVerifier
from tests.integration.verification.mail_server import MailServer
from tests.integration.verification.name_server import NameServer

CHECKS = 10
FIRST = 10
"""Last number of the first address of a mail server: 127.0.0.10."""
Close = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Costs:
    """Processor time of the one who checks, in seconds."""

    dns: float
    hosts: float
    questions: float
    """To name servers, in a check of names."""


def costs(blueprint: Blueprint, directory: Path) -> Costs:
    """Check a tenant, whose names and hosts are right, several times."""
    addresses = [address for host in blueprint.hosts for address in host.addresses]
    ips = {each.name: f"127.0.0.{FIRST + number}" for number, each in enumerate(addresses)}
    hosts = tuple(
        ObservedHost(
            host.name,
            host.server_name,
            number,
            tuple(ObservedAddress(a.name, ips[a.name], a.helo) for a in host.addresses),
        )
        for number, host in enumerate(blueprint.hosts)
    )
    state = CloudState(blueprint.digest, hosts)
    with _elsewhere() as serve:
        names = serve(_names(blueprint, ips))
        authority, inbound, submission = serve(_mail(blueprint, ips, directory))
        verifier = InternetVerifier(
            resolver=f"127.0.0.1:{names.port}",
            authoritative_port=names.port,
            mail_port=inbound,
            submission_port=submission,
        )

        async def dns() -> list[Finding]:
            return list(await verifier.verify_dns(blueprint, state))

        async def of_hosts() -> list[Finding]:
            found = await verifier.verify_hosts(
                blueprint, state, authority=authority, logins={}, unchanged_for=timedelta.max
            )
            return list(found)

        before = len(names.queries)
        seconds = _seconds(dns)
        questions = (len(names.queries) - before) / (CHECKS + 1)
        return Costs(seconds, _seconds(of_hosts), questions)


def _seconds(check: Callable[[], Awaitable[list[Finding]]]) -> float:
    """Return the processor time of this thread for one check, all of whose findings are right."""

    async def run() -> float:
        first = await check()
        wrong = [finding for finding in first if not finding.ok]
        if wrong:
            raise AssertionError(f"not right: {wrong[0]}")
        used = time.thread_time()
        for _ in range(CHECKS):
            await check()
        return (time.thread_time() - used) / CHECKS

    return asyncio.run(run())


async def _names(blueprint: Blueprint, ips: dict[str, str]) -> NameServer:
    server = await NameServer.start()
    server.serve(blueprint, ips)
    return server


async def _mail(blueprint: Blueprint, ips: dict[str, str], directory: Path) -> tuple[str, int, int]:
    """Serve port 25 of primary addresses, and submission at each; return authority and ports."""
    authority = create_ca("bench", now=datetime.now(UTC))
    ports = random.sample(range(20_000, 30_000), 2)
    accepted = dict.fromkeys(
        [
            *addresses_of(blueprint.mailboxes),
            *(
                f"{who}@{name}"
                for domain in blueprint.domains
                for name in (domain.name, domain.return_path)
                for who in ("postmaster", "abuse")
            ),
        ],
        "250 OK",
    )

    async def listen(address: Address, port: int, *, is_inbound: bool) -> None:
        server = MailServer(authority, address.helo, address.helo)
        leaf = issue(authority, address.helo, now=datetime.now(UTC))
        server.certificate = leaf.certificate, leaf.private_key
        if is_inbound:
            server.replies, server.encrypts = accepted, False
        own = directory / f"{address.name}-{port}"
        own.mkdir()
        loop = asyncio.get_running_loop()
        await loop.create_server(lambda: server.protocol(own, loop), ips[address.name], port)

    for host in blueprint.hosts:
        await listen(host.primary, ports[0], is_inbound=True)
        for address in host.addresses:
            if address.sends_bulk:
                await listen(address, ports[1], is_inbound=False)
    return authority.certificate, ports[0], ports[1]


@contextmanager
def _elsewhere() -> Iterator[Callable[[Awaitable[Any]], Any]]:
    """Run an event loop in another thread; yield what runs a coroutine there."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def run(work: Awaitable[Any]) -> Any:
        return await work

    try:
        yield lambda work: asyncio.run_coroutine_threadsafe(run(work), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
