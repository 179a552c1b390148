"""Name servers on this machine: a zone's own two, and a recursive one, with their troubles."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.reversename
import dns.rrset

from blueprint.document import Blueprint

IP, SECOND = "127.0.0.1", "127.0.0.2"
"""The first name server is the recursive one too."""
NAMES = {IP: "ns1.lab.example", SECOND: "ns2.lab.example"}
MINIMUM = 1800
"""Seconds for which a name that does not exist is kept by resolvers, as at Cloudflare."""
CODES = {"servfail": dns.rcode.SERVFAIL, "refused": dns.rcode.REFUSED, "notauth": dns.rcode.NOTAUTH}
LONGEST_CHAIN = 20

Key = tuple[str, str]


class NameServer:
    """Answers for every zone: `own` as its authoritative servers, `cached` to recursive queries.

    About a zone that is delegated to the other server only, a server refers to that one.
    """

    def __init__(self) -> None:
        self.own: dict[Key, list[str]] = {}
        self.cached: dict[Key, list[str]] = {}
        self.elsewhere: dict[Key, list[str]] = {}
        """What the second server has instead of `own`."""
        self.trouble: dict[str, str] = {}
        """By IP, or `own` and `cached` for a role: a key of CODES, `silent`, `lame`, `formerr` (to
        EDNS), `long` (by UDP the answer is cut off) or `no tcp` (and TCP is closed)."""
        self.bogus: set[str] = set()
        """Zones whose signatures do not validate."""
        self.unreachable: set[str] = set()
        """Zones whose servers the recursive one does not reach."""
        self.unserved: set[str] = set()
        """Zones of which their servers have only the zone above, so they refer to themselves."""
        self.fails_once: set[str] = set()
        """Names about which the recursive server fails at the first question."""
        self.queries: list[tuple[str, str, str]] = []
        self.port = 0
        self._endpoints: list[asyncio.BaseTransport] = []
        self._servers: list[asyncio.Server] = []

    @classmethod
    async def start(cls) -> NameServer:
        """Listen by UDP and TCP, at one port that is free at both addresses."""
        while True:
            names = cls()
            try:
                for ip in NAMES:
                    await names._listen(ip)
            except OSError:
                await names.close()
            else:
                return names

    async def _listen(self, ip: str) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Udp(self, ip), local_addr=(ip, self.port)
        )
        self._endpoints.append(transport)
        self.port = transport.get_extra_info("sockname")[1]

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            length = int.from_bytes(await reader.readexactly(2))
            wire = self.answer(ip, await reader.readexactly(length), by_tcp=True)
            if wire is not None:
                writer.write(len(wire).to_bytes(2) + wire)
                await writer.drain()
            writer.close()
            await writer.wait_closed()

        self._servers.append(await asyncio.start_server(answer, ip, self.port))

    async def close(self) -> None:
        """Stop listening."""
        for transport in self._endpoints:
            transport.close()
        for server in self._servers:
            server.close()
            await server.wait_closed()

    def set_record(self, name: str, type_: str, *contents: str) -> None:
        """Set the contents of a record in both tables; without contents, delete it."""
        for table in (self.own, self.cached):
            table.pop((name, type_), None)
            if contents:
                table[name, type_] = list(contents)

    def delegate(self, zone: str) -> None:
        """Give a zone both name servers."""
        self.set_record(zone, "NS", *(f"{name}." for name in NAMES.values()))

    def serve(self, blueprint: Blueprint, ips: Mapping[str, str]) -> None:
        """Serve all records of a blueprint, and the PTR record of each IP address."""
        self.serve_servers()
        for zone in {record.zone for record in blueprint.records}:
            self.delegate(zone)
        contents: dict[Key, list[str]] = defaultdict(list)
        for record in blueprint.records:
            content = ips[record.address] if record.address else str(record.content)
            priority = f"{record.priority} " if record.priority is not None else ""
            key = str(record.name), record.type.value
            contents[key].append(presented(record.type.value, priority + content))
        for (name, type_), values in contents.items():
            is_key = "_domainkey" in name
            other = ['"google-site-verification=x"'] if type_ == "TXT" and not is_key else []
            self.set_record(name, type_, *values, *other)
        for host in blueprint.hosts:
            for address in host.addresses:
                self.set_record(reverse(ips[address.name]), "PTR", f"{address.helo}.")

    def serve_servers(self) -> None:
        """Serve the addresses of the name servers."""
        for ip, name in NAMES.items():
            self.set_record(name, "A", ip)

    def answer(self, ip: str, data: bytes, *, by_tcp: bool = False) -> bytes | None:
        """Return the answer of the server with this address; None: there is none."""
        question = dns.message.from_wire(data)
        [asked] = question.question
        name, type_ = asked.name.to_text().rstrip(".").lower(), dns.rdatatype.to_text(asked.rdtype)
        is_recursive = bool(question.flags & dns.flags.RD)
        role = "cached" if is_recursive else "own"
        trouble = self.trouble.get(role) or (not is_recursive and self.trouble.get(ip)) or ""
        self.queries.append((role, name, type_))
        if trouble == "silent" or (trouble == "no tcp" and by_tcp):
            return None
        answer = dns.message.make_response(question)
        if trouble == "formerr" and question.edns >= 0:
            answer.set_rcode(dns.rcode.FORMERR)
            return answer.to_wire()
        if trouble in CODES or (is_recursive and self._fails(name, question.flags)):
            answer.set_rcode(CODES.get(trouble, dns.rcode.SERVFAIL))
            if trouble in ("servfail", "refused"):
                answer.question.clear()  # as some servers do
            return answer.to_wire()
        if trouble in ("long", "no tcp") and not by_tcp:
            answer.flags |= dns.flags.TC
            return answer.to_wire()
        table = self.cached if is_recursive else {**self.own}
        if not is_recursive and ip == SECOND:
            table |= self.elsewhere
        if trouble == "lame":
            return answer.to_wire()
        servers = table.get((zone := _zone(table, name), "NS"), ())
        serves = zone not in self.unserved and (not servers or f"{NAMES[ip]}." in servers)
        if not is_recursive and not serves:
            referral = dns.rrset.from_text_list(f"{zone}.", 60, "IN", "NS", servers)
            answer.authority.append(referral)
            return answer.to_wire()
        if not is_recursive:
            answer.flags |= dns.flags.AA
        _fill(answer, table, name, type_, leaves_zone=is_recursive)
        return answer.to_wire()

    def _fails(self, name: str, flags: int) -> bool:
        if name in self.fails_once:
            self.fails_once.remove(name)
            return True
        failing = self.unreachable if flags & dns.flags.CD else self.bogus | self.unreachable
        return any(f".{name}".endswith(f".{zone}") for zone in failing)


class _Udp(asyncio.DatagramProtocol):
    """One address of the name server."""

    def __init__(self, names: NameServer, ip: str) -> None:
        self._names = names
        self._ip = ip

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, sender: tuple[str, int]) -> None:
        wire = self._names.answer(self._ip, data)
        if wire is not None:
            self._transport.sendto(wire, sender)  # type: ignore[attr-defined]


def _fill(
    answer: dns.message.Message,
    table: Mapping[Key, list[str]],
    name: str,
    type_: str,
    *,
    leaves_zone: bool,
) -> None:
    """Add the data of a name, over its aliases; an authoritative server stays in its zone."""
    zone = _zone(table, name)
    for _ in range(LONGEST_CHAIN):
        found = table.get((name, type_))
        alias = table.get((name, "CNAME")) if found is None else None
        kind = type_ if alias is None else "CNAME"
        if contents := found or alias:
            rrset = dns.rrset.from_text_list(f"{name}.", 60, "IN", kind, contents)
            if rrset not in answer.answer:
                answer.answer.append(rrset)
        if alias is None:
            break
        name = alias[0].rstrip(".").lower()
        if not leaves_zone and _zone(table, name) != zone:
            return
    if not any(existing == name for existing, _ in table):
        answer.set_rcode(dns.rcode.NXDOMAIN)
    if not found:
        soa = f"ns1.lab.example. hostmaster.lab.example. 1 3600 600 86400 {MINIMUM}"
        answer.authority.append(
            dns.rrset.from_text(f"{_zone(table, name)}.", MINIMUM, "IN", "SOA", soa)
        )


def _zone(table: Mapping[Key, list[str]], name: str) -> str:
    zones = [zone for zone, type_ in table if type_ == "NS" and f".{name}".endswith(f".{zone}")]
    return max(zones, key=len, default="")


def presented(type_: str, content: str) -> str:
    """Return a record's content as in a zone file."""
    if type_ == "TXT":
        return " ".join(f'"{content[at : at + 200]}"' for at in range(0, len(content), 200))
    return f"{content}." if type_ in ("MX", "CNAME") else content


def reverse(ip: str = IP) -> str:
    """Return the name of an address's PTR record."""
    return dns.reversename.from_address(ip).to_text(omit_final_dot=True)
