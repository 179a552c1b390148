"""Names for links in mail, as a mail program reaches them: look-up, TLS, and a request."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from blueprint.document import Blueprint, Domain
from blueprint.tenant import Dns
from controlplane.certificates import PROOF
from controlplane.reconciler.ports import Finding
from controlplane.verification import faults
from controlplane.verification.names import Names, texts
from controlplane.verification.queries import TIMEOUT
from kit.faults import Actor, Fault, first_line

NAME, HTTPS = "links.name", "links.https"
PORT = 443
SECONDS = 5.0
"""For one request."""
LONGEST = 4096
"""Octets of an answer that are read."""
CONCURRENT_REQUESTS = 16


class PublicLinks:
    """Asks for the installation's id at each name, from this machine.

    `resolver` and `source` are as for `InternetVerifier`. `roots` are the certificates (PEM) that
    are trusted, None: those of the system.
    """

    def __init__(
        self,
        *,
        resolver: str | None = None,
        source: str | None = None,
        roots: Path | None = None,
        port: int = PORT,
        query_timeout: float = TIMEOUT,
    ) -> None:
        self._resolver = resolver
        self._source = source
        self._roots = roots
        self._port = port
        self._query_timeout = query_timeout

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        """The roots, read once: all those of a system take 30 ms."""
        return ssl.create_default_context(cafile=self._roots)

    async def look(self, blueprint: Blueprint) -> Sequence[Finding]:
        """Return for each name whether it leads to the public address, and what answers there."""
        addresses = {record.key: record.content for record in blueprint.records}
        names = Names(self._resolver, timeout=self._query_timeout)
        limit = asyncio.Semaphore(CONCURRENT_REQUESTS)

        async def of(domain: Domain) -> list[Finding]:
            host, address = domain.unsubscribe_host, addresses.get(f"{domain.name}/u/A")
            if host is None or address is None:
                return []
            async with limit:
                name = await self._name(domain, host, address, names)
                if not name.ok:
                    return [name]
                return [name, await self._request(domain, host, address, blueprint.installation)]

        results = await asyncio.gather(*(of(domain) for domain in blueprint.domains))
        return [finding for findings in results for finding in findings]

    async def _name(self, domain: Domain, host: str, address: str, names: Names) -> Finding:
        part = f"domain/{domain.name}"
        try:
            found = texts((await names.recursive(host, "A")).data)
        except Fault as fault:
            return Finding.of(part, NAME, fault, checked=fault.code not in faults.UNANSWERED)
        if set(found) == {address}:
            return Finding(part, NAME, True, f"{host} leads to {address}")
        actual = ", ".join(found) or "nowhere"
        wrong = faults.LINKS_ELSEWHERE(name=host, actual=actual, expected=address)
        acts = Actor.USER if domain.dns is Dns.MANUAL else Actor.NOBODY  # ours is written again
        return replace(Finding.of(part, NAME, wrong), acts=acts)

    async def _request(self, domain: Domain, host: str, address: str, installation: str) -> Finding:
        part = f"domain/{domain.name}"
        try:
            async with asyncio.timeout(SECONDS):
                answer = await self._get(host, address)
        except ssl.SSLCertVerificationError as error:
            reason = f"its certificate is not trusted: {error.verify_message}"
        except TimeoutError:
            reason = f"nothing within {SECONDS:g} s"
        except OSError as error:
            reason = first_line(error, "the connection broke")
        else:
            head, _, body = answer.partition("\r\n\r\n")
            if head.split(" ")[1:2] == ["200"] and body.strip() == installation:
                return Finding(part, HTTPS, True, f"https://{host} is answered by us")
            reason = "something else answers"
        return Finding.of(
            part, HTTPS, faults.LINKS_NOT_SERVED(url=f"https://{host}", reason=reason)
        )

    async def _get(self, host: str, address: str) -> str:
        reader, writer = await asyncio.open_connection(
            address,
            self._port,
            ssl=self._trust,
            server_hostname=host,
            local_addr=None if self._source is None else (self._source, 0),
        )
        try:
            request = f"GET {PROOF} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            writer.write(request.encode())
            answer = b""
            while len(answer) < LONGEST and (more := await reader.read(LONGEST)):
                answer += more
            return answer.decode("latin-1")
        finally:
            writer.close()
