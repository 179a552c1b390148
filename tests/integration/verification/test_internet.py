"""Verification against a name server and mail servers that answer for real, on this machine."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import dns.message
import dns.rcode
import dns.reversename
import dns.rrset
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from blueprint.document import Blueprint
from blueprint.loading import parse
from blueprint.platform import Platform
from blueprint.render import render
from controlplane.authority.certificates import create_ca, issue
from controlplane.provisioning.ports import CloudState, Finding, ObservedAddress, ObservedHost
from controlplane.verification import InternetVerifier

HELO = "mx1.acme.example"
IP = "127.0.0.1"


class NameServer(asyncio.DatagramProtocol):
    """Answers from a table, for every zone."""

    def __init__(self) -> None:
        self.table: dict[tuple[str, str], list[str]] = {}
        self.asked: list[tuple[str, str]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, sender: tuple[str, int]) -> None:
        question = dns.message.from_wire(data)
        name, type_ = question.question[0].name.to_text().rstrip("."), question.question[0].rdtype
        key = (name.lower(), type_.name)
        self.asked.append(key)
        answer = dns.message.make_response(question)
        if key in self.table:
            answer.answer.append(
                dns.rrset.from_text_list(f"{name}.", 60, "IN", type_, self.table[key])
            )
        elif not any(known == key[0] for known, _ in self.table):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self._transport.sendto(answer.to_wire(), sender)  # type: ignore[attr-defined]


@pytest.fixture
async def server() -> AsyncIterator[tuple[NameServer, int]]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, local_addr=(IP, 0))
    yield server, transport.get_extra_info("sockname")[1]
    transport.close()


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
    platform = Platform(zone="penguinmails.example")
    return render(parse(document, platform=platform), platform=platform, keys=None, generation=1)


STATE = CloudState(
    "sha256:x", (ObservedHost("mx1", "acme-mx1", 1, (ObservedAddress("mx1-1", IP, HELO),)),)
)


def filled(server: NameServer, blueprint: Blueprint) -> None:
    """Let the table say what the blueprint wants, in our zones only."""
    for zone in {record.zone for record in blueprint.records}:
        server.table[zone, "NS"] = ["ns.lab.example."]
    server.table["ns.lab.example", "A"] = [IP]
    for record in blueprint.records:
        content = IP if record.address else str(record.content)
        if record.type == "TXT":
            content = f'"{content[:100]}" "{content[100:]}"'
        elif record.type == "MX":
            content = f"{record.priority} {content}."
        elif record.type == "CNAME":
            content += "."
        if record.provider == "cloudflare":
            server.table.setdefault((str(record.name), record.type.value), []).append(content)
    server.table[str(dns.reversename.from_address(IP)).rstrip("."), "PTR"] = [f"{HELO}."]


def wrong(findings: list[Finding], subject: str) -> set[str]:
    return {f.code for f in findings if f.subject == subject and not f.ok}


class TestNames:
    async def test_what_is_right_is_found_right_and_what_is_manual_is_told(
        self, server, blueprint
    ) -> None:
        names, port = server
        filled(names, blueprint)
        verifier = InternetVerifier(resolver=IP, dns_port=port)
        findings = list(await verifier.verify_dns(blueprint, STATE))
        assert wrong(findings, "domain/acme.example") == set()
        assert wrong(findings, "address/mx1-1") == set()
        assert wrong(findings, "host/mx1") == set()
        assert wrong(findings, "domain/manual.example") == {"dns.missing"}
        remedies = {f.remedy for f in findings if f.subject == "domain/manual.example" and not f.ok}
        assert all(remedy.startswith("set ") for remedy in remedies)
        checks = {f.check for f in findings}
        assert checks == {"dns.authoritative", "dns.recursive", "fcrdns"}

    async def test_a_wrong_record_is_told_with_what_is_there(self, server, blueprint) -> None:
        names, port = server
        filled(names, blueprint)
        names.table["acme.example", "MX"] = ["10 elsewhere.example."]
        findings = await InternetVerifier(resolver=IP, dns_port=port).verify_dns(blueprint, STATE)
        bad = [f for f in findings if f.subject == "domain/acme.example" and not f.ok]
        assert [(f.check, f.code) for f in bad] == [("dns.authoritative", "dns.different")]
        assert "elsewhere.example" in bad[0].message

    async def test_a_reverse_name_must_lead_there_and_back(self, server, blueprint) -> None:
        names, port = server
        filled(names, blueprint)
        pointer = str(dns.reversename.from_address(IP)).rstrip(".")
        names.table[pointer, "PTR"] = ["client.hostwinds.example."]
        verifier = InternetVerifier(resolver=IP, dns_port=port)
        findings = list(await verifier.verify_dns(blueprint, STATE))
        assert wrong(findings, "address/mx1-1") == {"dns.wrong_pointer"}

    async def test_a_zone_that_is_not_delegated_is_named(self, server, blueprint) -> None:
        names, port = server
        filled(names, blueprint)
        del names.table["acme.example", "NS"]
        findings = await InternetVerifier(resolver=IP, dns_port=port).verify_dns(blueprint, STATE)
        assert any("zone acme.example is not delegated" in f.message for f in findings)


class Handler:
    """Refuses strangers unless told otherwise."""

    def __init__(self) -> None:
        self.relays = False

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.relays:
            envelope.rcpt_tos.append(address)
            return "250 OK"
        return "554 5.7.1 Relay access denied"


@pytest.fixture
async def mail(
    tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[Handler, int]]:
    """A mail server: `(name in the greeting, name in the certificate)` by parameter."""
    greeting, certified = getattr(request, "param", (HELO, HELO))
    now = datetime.now(UTC)
    leaf = issue(create_ca("acme", now=now), certified, now=now)
    (tmp_path / "key").write_text(leaf.private_key)
    (tmp_path / "chain").write_text(leaf.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain", tmp_path / "key")
    handler = Handler()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, hostname=greeting, tls_context=context, loop=loop), IP, 0
    )
    yield handler, server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


async def look(port: int, blueprint: Blueprint) -> set[tuple[str, bool | None, str]]:
    verifier = InternetVerifier(submission_port=port, mail_port=port)
    findings = await verifier.verify_hosts(blueprint, STATE, authority="")
    return {(f.check, f.ok, f.code) for f in findings}


class TestSubmission:
    async def test_a_host_as_it_should_be(self, mail, blueprint) -> None:
        assert await look(mail[1], blueprint) == {
            ("smtp.banner", True, "smtp.ok"),
            ("smtp.tls", True, "smtp.ok"),
            ("smtp.relay", True, "smtp.ok"),
        }

    @pytest.mark.parametrize("mail", [("other.example", HELO)], indirect=True)
    async def test_another_name_in_the_greeting(self, mail, blueprint) -> None:
        assert await look(mail[1], blueprint) == {("smtp.banner", False, "smtp.wrong_name")}

    @pytest.mark.parametrize("mail", [(HELO, "other.example")], indirect=True)
    async def test_another_name_in_the_certificate(self, mail, blueprint) -> None:
        assert ("smtp.tls", False, "smtp.wrong_name") in await look(mail[1], blueprint)

    async def test_an_open_relay(self, mail, blueprint) -> None:
        mail[0].relays = True
        assert ("smtp.relay", False, "smtp.open_relay") in await look(mail[1], blueprint)

    async def test_nobody_at_home(self, blueprint) -> None:
        assert await look(1, blueprint) == {("smtp.banner", False, "smtp.unreachable")}
