"""Look-ups at name servers, with answers as sets of text."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import dns.asyncquery
import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.nameserver
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.resolver
import dns.reversename

from controlplane.verification.faults import LOOKUP_FAILED, NOT_DELEGATED

TIMEOUT = 2.0
"""Seconds for one query."""
TRIES = 2
CONCURRENT_QUERIES = 16
"""Queries that are open at the same time."""


class Names:
    """Look-ups of one verification; the servers of a zone are looked up once.

    `resolver` is `host`, `host:port` or `[host]:port`; None: the machine's own.
    """

    def __init__(self, resolver: str | None, *, authoritative_port: int = 53) -> None:
        self._resolver = _resolver(resolver)
        self._port = authoritative_port
        self._limit = asyncio.Semaphore(CONCURRENT_QUERIES)
        self._servers: dict[str, asyncio.Task[dict[str, str]]] = {}

    async def recursive(self, name: str, type_: str) -> set[str]:
        """Query the recursive server; a name that does not exist has no data."""
        if self._resolver is None:
            reason = "this machine has no recursive name server"
            raise LOOKUP_FAILED(question=f"{name} {type_}", reason=reason)
        async with self._limit:
            try:
                answer = await self._resolver.resolve(
                    f"{name}.", type_, raise_on_no_answer=False, lifetime=TIMEOUT * TRIES
                )
            except dns.resolver.NXDOMAIN:
                return set()
            except dns.exception.DNSException as error:
                late = isinstance(error, dns.exception.Timeout)
                answers = "does not answer in time" if late else "gives no valid answer"
                reason = f"the recursive name server {answers}"
                raise LOOKUP_FAILED(question=f"{name} {type_}", reason=reason) from None
        return {rdata_text(item) for item in answer} if answer.rrset else set()

    async def authoritative(self, zone: str, name: str, type_: str) -> dict[str, set[str]]:
        """Query all of the zone's own servers; return the answers by the name of the server.

        Raises NOT_DELEGATED for a zone without servers, LOOKUP_FAILED when none of them answers.
        """
        if zone not in self._servers:
            self._servers[zone] = asyncio.ensure_future(self._find_servers(zone))
        servers = await self._servers[zone]
        answers = await asyncio.gather(*(self._query(ip, name, type_) for ip in servers.values()))
        answered = {
            server: answer
            for server, answer in zip(servers, answers, strict=True)
            if answer is not None
        }
        if not answered:
            reason = f"no name server of {zone} answers"
            raise LOOKUP_FAILED(question=f"{name} {type_}", reason=reason)
        return answered

    async def pointer(self, ip: str) -> set[str]:
        """Return the reverse names of an address."""
        return await self.recursive(str(dns.reversename.from_address(ip)).rstrip("."), "PTR")

    async def _query(self, ip: str, name: str, type_: str) -> set[str] | None:
        """Query one server; None when it does not answer or is not authoritative for the zone."""
        query = dns.message.make_query(f"{name}.", type_)
        query.flags &= ~dns.flags.RD
        async with self._limit:
            for _ in range(TRIES):
                try:
                    answer, _ = await dns.asyncquery.udp_with_fallback(
                        query, ip, timeout=TIMEOUT, port=self._port
                    )
                except (dns.exception.DNSException, OSError):
                    continue
                definite = answer.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
                # A lame server refers to others or answers from its cache, without authority.
                if not definite or not answer.flags & dns.flags.AA:
                    return None
                expected_type = dns.rdatatype.from_text(type_)
                sets = [rrset for rrset in answer.answer if rrset.rdtype == expected_type]
                return {rdata_text(item) for rrset in sets for item in rrset}
        return None

    async def _find_servers(self, zone: str) -> dict[str, str]:
        """Return the addresses of a zone's servers, by `name (IP)`."""
        names = sorted(await self.recursive(zone, "NS"))
        if not names:
            remedy = (
                f"enter the name servers that Cloudflare shows for {zone} at its registrar; "
                "a new delegation can take a day to become visible"
            )
            raise NOT_DELEGATED(zone=zone, remedy=remedy)
        ips_of_servers = await asyncio.gather(*(self.recursive(name, "A") for name in names))
        return {
            f"{name} ({ip})": ip
            for name, ips in zip(names, ips_of_servers, strict=True)
            for ip in sorted(ips)
        }


def rdata_text(item: dns.rdata.Rdata) -> str:
    """Print record data: names lower-case without final dot, the strings of a TXT joined."""
    if item.rdtype == dns.rdatatype.TXT:
        return b"".join(item.strings).decode("ascii", "replace")  # type: ignore[attr-defined]
    return item.to_text().lower().rstrip(".")


def _resolver(address: str | None) -> dns.asyncresolver.Resolver | None:
    try:
        resolver = dns.asyncresolver.Resolver(configure=address is None)
    except dns.resolver.NoResolverConfiguration:
        return None
    if address is not None:
        parts = urlsplit(f"//{address}")
        resolver.nameservers = [
            dns.nameserver.Do53Nameserver(parts.hostname or "", parts.port or 53)
        ]
    resolver.timeout = TIMEOUT
    return resolver
