"""Questions to name servers, with answers as sets of plain text."""

from __future__ import annotations

import asyncio

import dns.asyncquery
import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.resolver
import dns.reversename

TIMEOUT = 5.0


class Unanswered(Exception):
    """No server gave an answer that says yes or no."""


class Names:
    """One look at the name service; what a zone's servers are is remembered while it lasts."""

    def __init__(self, resolver: str | None, *, port: int = 53) -> None:
        self._resolver = dns.asyncresolver.Resolver(configure=resolver is None)
        if resolver is not None:
            self._resolver.nameservers = [resolver]
            self._resolver.port = port
        self._resolver.lifetime = TIMEOUT
        self._port = port
        self._servers: dict[str, asyncio.Task[list[str]]] = {}

    async def recursive(self, name: str, type_: str) -> set[str]:
        """Ask the recursive server; a name that does not exist has no data."""
        try:
            answer = await self._resolver.resolve(name, type_, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return set()
        except dns.exception.DNSException as error:
            raise Unanswered(f"{name}: {type(error).__name__}") from None
        return {plain(item) for item in answer} if answer.rrset else set()

    async def authoritative(self, zone: str, name: str, type_: str) -> set[str]:
        """Ask one of the zone's own servers. Raises Unanswered also for a zone without any."""
        servers = await self._servers_of(zone)
        if not servers:
            raise Unanswered(f"zone {zone} is not delegated")
        question = dns.message.make_query(name, type_)
        question.flags &= ~dns.flags.RD
        for server in servers:
            try:
                answer, _ = await dns.asyncquery.udp_with_fallback(
                    question, server, timeout=TIMEOUT, port=self._port
                )
            except (dns.exception.DNSException, OSError):
                continue
            if answer.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                wanted = dns.rdatatype.from_text(type_)
                return {
                    plain(item)
                    for rrset in answer.answer
                    if rrset.rdtype == wanted
                    for item in rrset
                }
        raise Unanswered(f"no name server of {zone} answers")

    async def pointer(self, ip: str) -> set[str]:
        """Return the reverse names of an address."""
        return await self.recursive(str(dns.reversename.from_address(ip)), "PTR")

    async def _servers_of(self, zone: str) -> list[str]:
        if zone not in self._servers:
            self._servers[zone] = asyncio.ensure_future(self._find_servers(zone))
        return await self._servers[zone]

    async def _find_servers(self, zone: str) -> list[str]:
        names = sorted(await self.recursive(zone, "NS"))
        found: list[str] = []
        for name in names:
            found += sorted(await self.recursive(name, "A"))
        return found


def plain(item: dns.rdata.Rdata) -> str:
    """Print record data: names lower-case without final dot, the strings of a TXT joined."""
    if item.rdtype == dns.rdatatype.TXT:
        return b"".join(item.strings).decode("ascii", "replace")  # type: ignore[attr-defined]
    return item.to_text().lower().rstrip(".")
