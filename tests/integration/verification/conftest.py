"""A name server and mail servers on this machine, and the tenant that they serve."""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.reversename
import dns.rrset
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from blueprint.document import Blueprint
from blueprint.loading import parse
from blueprint.render import render
from controlplane.authority.certificates import Issued, create_ca, issue
from controlplane.reconciler.ports import CloudState, Finding, ObservedAddress, ObservedHost
from tests.support.faults import any_values, assert_shows
from tests.support.installation import PLATFORM

HELO = "mx1.acme.example"
IP = "127.0.0.1"
STATE = CloudState(
    "sha256:x", (ObservedHost("mx1", "acme-mx1", 1, (ObservedAddress("mx1-1", IP, HELO),)),)
)

Key = tuple[str, str]


def assert_shown(findings: Iterable[Finding]) -> None:
    """Assert that a condition shows each finding with the text of its code."""
    for finding in findings:
        if finding.code is not None:
            code, sentence = finding.code, f"{finding.message}; {finding.remedy}"
            condition = {"reason": code.reason, "message": sentence}
            assert_shows(condition, code, **any_values(code))


class NameServer(asyncio.DatagramProtocol):
    """Answers for every zone: `own` as its authoritative server, `cached` to recursive queries."""

    def __init__(self) -> None:
        self.own: dict[Key, list[str]] = {}
        self.cached: dict[Key, list[str]] = {}
        self.silent: set[str] = set()
        """The tables, `own` or `cached`, whose queries fail."""
        self.lame = False
        """The zone's server does not have the zone and refers to others."""
        self.long = False
        """Answers by UDP are truncated, so that clients repeat the query by TCP."""
        self.queries: list[tuple[str, str, str]] = []
        self.port = 0

    def set_record(self, name: str, type_: str, *contents: str) -> None:
        """Set the contents of a record in both tables; without contents, delete it."""
        for table in (self.own, self.cached):
            table.pop((name, type_), None)
            if contents:
                table[name, type_] = list(contents)

    def serve(self, blueprint: Blueprint, ips: Mapping[str, str]) -> None:
        """Serve all records of a blueprint, and the PTR record of each IP address."""
        for zone in {record.zone for record in blueprint.records}:
            self.set_record(zone, "NS", "ns.lab.example.")
        self.set_record("ns.lab.example", "A", IP)
        contents: dict[Key, list[str]] = defaultdict(list)
        for record in blueprint.records:
            content = ips[record.address] if record.address else str(record.content)
            if record.type == "TXT":
                parts = [content[start : start + 100] for start in range(0, len(content), 100)]
                content = " ".join(f'"{part}"' for part in parts)
            elif record.type == "MX":
                content = f"{record.priority} {content}."
            elif record.type == "CNAME":
                content += "."
            contents[str(record.name), record.type.value].append(content)
        for (name, type_), values in contents.items():
            other = ['"google-site-verification=x"'] if type_ == "TXT" else []
            self.set_record(name, type_, *values, *other)
        for host in blueprint.hosts:
            for address in host.addresses:
                self.set_record(reverse(ips[address.name]), "PTR", f"{address.helo}.")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, sender: tuple[str, int]) -> None:
        answer = self.answer(data)
        if self.long:
            answer.answer.clear()
            answer.flags |= dns.flags.TC
        self._transport.sendto(answer.to_wire(), sender)  # type: ignore[attr-defined]

    async def serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2))
        wire = self.answer(await reader.readexactly(length)).to_wire()
        writer.write(len(wire).to_bytes(2) + wire)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    def answer(self, data: bytes) -> dns.message.Message:
        question = dns.message.from_wire(data)
        name, type_ = question.question[0].name.to_text().rstrip("."), question.question[0].rdtype
        key = (name.lower(), dns.rdatatype.to_text(type_))
        table_name = "cached" if question.flags & dns.flags.RD else "own"
        self.queries.append((table_name, *key))
        table = self.cached if table_name == "cached" else self.own
        answer = dns.message.make_response(question)
        if table_name == "own" and not self.lame:
            answer.flags |= dns.flags.AA
        if table_name in self.silent:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif key in table:
            answer.answer.append(dns.rrset.from_text_list(f"{name}.", 60, "IN", type_, table[key]))
        elif not any(existing == key[0] for existing, _ in table):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer


@pytest.fixture
def blueprint() -> Blueprint:
    document = {
        "apiVersion": "penguinmails.dev/v1",
        "kind": "Tenant",
        "metadata": {"name": "acme"},
        "spec": {
            "plan": "business",
            "region": "us-west",
            "hosts": [{"name": "mx1", "zone": "acme.example"}],
            "domains": [{"name": "acme.example"}, {"name": "manual.example", "dns": "manual"}],
        },
    }
    return render(parse(document, platform=PLATFORM), platform=PLATFORM, keys=None, generation=1)


async def serve_names() -> tuple[asyncio.DatagramTransport, NameServer, asyncio.Server]:
    """Listen by UDP and TCP on a port that is free for both."""
    loop = asyncio.get_running_loop()
    while True:
        transport, server = await loop.create_datagram_endpoint(NameServer, local_addr=(IP, 0))
        server.port = transport.get_extra_info("sockname")[1]
        try:
            return transport, server, await asyncio.start_server(server.serve_tcp, IP, server.port)
        except OSError:
            transport.close()


@pytest.fixture
async def names(blueprint: Blueprint) -> AsyncIterator[NameServer]:
    """A name server that serves every record of the blueprint."""
    transport, server, tcp_server = await serve_names()
    server.serve(blueprint, {"mx1-1": IP})
    yield server
    tcp_server.close()
    await tcp_server.wait_closed()
    transport.close()


def reverse(ip: str = IP) -> str:
    """Return the name of an address's PTR record."""
    return str(dns.reversename.from_address(ip)).rstrip(".")


@dataclass
class MailServer:
    """A mail server whose faults are set before the first connection."""

    authority: Issued
    greeting: str = HELO
    certified: str = HELO
    issuer: Issued | None = None
    encrypts: bool = True
    auth_in_clear: bool = False
    offers_auth: bool = True
    certificate: tuple[str, str] | None = None
    """Certificate and private key; None: `issuer` issues one for `certified`."""
    port: int = 0
    replies: dict[str, str] = field(default_factory=dict)
    """Recipient to the server's reply; others are refused permanently."""

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        return [line for line in responses if self.offers_auth or "AUTH" not in line]

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        return self.replies.get(address, "554 5.7.1 Relay access denied")

    async def listen(
        self, directory: Path, certificate: tuple[str, str] | None = None, *, ip: str = IP
    ) -> asyncio.Server:
        """Listen at a free port."""
        loop = asyncio.get_running_loop()
        self.certificate = certificate
        server = await loop.create_server(lambda: self.protocol(directory, loop), ip, 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def protocol(self, directory: Path, loop: asyncio.AbstractEventLoop) -> SMTP:
        """Make the server's side of one connection."""
        certificate = self.certificate
        if certificate is None:
            leaf = issue(self.issuer or self.authority, self.certified, now=datetime.now(UTC))
            certificate = leaf.certificate, leaf.private_key
        (directory / "both").write_text("".join(certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "both")
        return SMTP(
            self,
            hostname=self.greeting,
            tls_context=context if self.encrypts else None,
            auth_require_tls=not self.auth_in_clear,
            loop=loop,
        )


@pytest.fixture
async def mail(
    tmp_path: Path,
) -> AsyncIterator[Callable[..., Awaitable[MailServer]]]:
    """Start mail servers: `await mail()`; each is correct until its attributes are changed."""
    stack = AsyncExitStack()

    async def start(ip: str = IP, name: str = HELO) -> MailServer:
        mail_server = MailServer(create_ca("acme", now=datetime.now(UTC)), name, name)
        server = await mail_server.listen(tmp_path, ip=ip)
        stack.push_async_callback(server.wait_closed)
        stack.callback(server.close)
        return mail_server

    async with stack:
        yield start
