"""Finds the providers of recipients' domains by their MX records, in batches, beside the sending.

Enqueueing enters a new domain as unresolved and never asks DNS. Where DNS has trouble the domain
stays as it is, with the reason, and is looked up again later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import dns.asyncresolver
import dns.exception
import dns.resolver
from psycopg_pool import AsyncConnectionPool

from kit.database import storable
from sender.policy.database import SQL
from sender.policy.providers import provider_of

BATCH = 100
CONCURRENT = 20
"""Look-ups at the same time."""
TIMEOUT = 5.0
"""Seconds for one look-up, with all its servers."""
LONGEST_REASON = 200


class Trouble(Exception):
    """DNS gave no answer: neither hosts, nor that there are none."""


class Mx(Protocol):
    """A look-up of MX hosts."""

    async def __call__(self, domain: str) -> Sequence[str]:
        """Return the hosts, the preferred one first; raises Trouble."""


@dataclass(frozen=True)
class Resolution:
    """What a look-up brought."""

    domain: str
    provider: str | None
    reason: str | None = None


class Resolver:
    """Resolves the domains that are due; any number of processes may do so at the same time."""

    def __init__(self, pool: AsyncConnectionPool[Any], mx: Mx) -> None:
        """Ask `mx` for hosts."""
        self._pool = pool
        self._mx = mx

    async def resolve(self) -> int:
        """Resolve a batch and return how many domains were due: none is the time to wait."""
        async with self._pool.connection() as connection, connection.cursor() as cursor:
            await cursor.execute(SQL.take_domains, {"most": BATCH})
            domains = [row[0] for row in await cursor.fetchall()]
        limit = asyncio.Semaphore(CONCURRENT)
        found = await asyncio.gather(*(self._resolve(domain, limit) for domain in domains))
        if found:
            async with self._pool.connection() as connection, connection.cursor() as cursor:
                await cursor.execute(
                    SQL.write_domains,
                    {
                        "domains": [one.domain for one in found],
                        "providers": [one.provider for one in found],
                        "reasons": [one.reason for one in found],
                    },
                )
        return len(found)

    async def _resolve(self, domain: str, limit: asyncio.Semaphore) -> Resolution:
        async with limit:
            try:
                return Resolution(domain, provider_of(domain, await self._mx(domain)))
            except Trouble as trouble:
                return Resolution(domain, None, storable(str(trouble))[:LONGEST_REASON])


class DnsMx:
    """MX hosts by DNS, at the machine's name servers or at one of its own."""

    def __init__(
        self, server: str | None = None, port: int = 53, *, timeout: float = TIMEOUT
    ) -> None:
        """Ask `server`, an IP address; the machine's where it is None."""
        self._resolver = dns.asyncresolver.Resolver(configure=server is None)
        if server is not None:
            self._resolver.nameservers = [server]
            self._resolver.port = port
        self._resolver.lifetime = timeout

    @classmethod
    def at(cls, server: str | None) -> DnsMx:
        """Ask a name server, `192.0.2.53` or with a port `192.0.2.53:5353`, `[2001:db8::53]:53`."""
        parts = urlsplit(f"//{server or ''}")
        return cls(parts.hostname, parts.port or 53)

    async def __call__(self, domain: str) -> Sequence[str]:
        """Return the hosts, the preferred one first; a name that does not exist has none."""
        try:
            answer = await self._resolver.resolve(domain, "MX")
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except dns.exception.DNSException as error:
            raise Trouble(f"MX of {domain}: {error}") from error
        except OSError as error:
            raise Trouble(f"MX of {domain}: {error}") from error
        records = sorted((item.preference, str(item.exchange)) for item in answer)
        return [exchange for _, exchange in records]
