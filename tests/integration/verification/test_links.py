"""Names for links in mail are asked as a mail program asks them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from blueprint.document import Blueprint
from controlplane.authority.certificates import Issued, create_ca, issue
from controlplane.certificates import PROOF
from controlplane.reconciler.ports import Finding
from controlplane.verification import faults
from controlplane.verification.links import PublicLinks
from tests.support.installation import INSTALLATION, PLATFORM

from .conftest import assert_shown, blueprint_of
from .name_server import IP, NameServer

NAME, MANUAL = "u.acme.example", "u.manual.example"
ELSEWHERE, NOT_SERVED = faults.LINKS_ELSEWHERE, faults.LINKS_NOT_SERVED
NOW = datetime.now(UTC)


@dataclass
class Site:
    """What answers by HTTPS: the name of its certificate, and its answer."""

    authority: Issued
    directory: Path
    name: str = NAME
    answer: str = f"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{INSTALLATION}"
    asked: str = ""
    port: int = 0

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[None]:
        issued = issue(self.authority, self.name, now=NOW)
        file = self.directory / "site.pem"
        file.write_text(issued.certificate + issued.private_key)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(file)
        server = await asyncio.start_server(self._answer, IP, 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked = (await reader.readuntil(b"\r\n\r\n")).decode()
        writer.write(self.answer.encode())
        writer.close()


@pytest.fixture
def blueprint() -> Blueprint:
    platform = PLATFORM.model_copy(update={"public_address": IP})
    return blueprint_of(mailboxes=True, platform=platform)


@pytest.fixture
def authority() -> Issued:
    return create_ca("public", now=NOW)


@pytest.fixture
def site(authority: Issued, tmp_path: Path) -> Site:
    return Site(authority, tmp_path)


async def look(names: NameServer, blueprint: Blueprint, site: Site) -> dict[str, Finding]:
    """Return the last finding about each domain."""
    roots = site.directory / "roots.pem"
    roots.write_text(site.authority.certificate)
    links = PublicLinks(resolver=f"{IP}:{names.port}", roots=roots, port=site.port, query_timeout=2)
    findings = await links.look(blueprint)
    assert_shown(findings)
    return {finding.subject.partition("/")[2]: finding for finding in findings}


async def test_name_with_a_trusted_certificate_that_we_answer_is_right(names, blueprint, site):
    async with site.listen():
        found = await look(names, blueprint, site)
    assert (found["acme.example"].check, found["acme.example"].ok) == ("links.https", True)
    assert site.asked.startswith(f"GET {PROOF} HTTP/1.1\r\nHost: {NAME}\r\n")
    assert "its certificate is not trusted: Hostname mismatch" in found["manual.example"].message


async def test_alias_that_an_owner_has_set_is_followed(names, blueprint, site):
    site.name = MANUAL
    async with site.listen():
        assert (await look(names, blueprint, site))["manual.example"].ok


@pytest.mark.parametrize("address", [[], ["198.51.100.7"], [IP, "198.51.100.7"]])
async def test_name_that_leads_elsewhere_is_not_asked(names, blueprint, site, address: list[str]):
    names.set_record(NAME, "A", *address)
    async with site.listen():
        found = (await look(names, blueprint, site))["acme.example"]
    assert (found.check, found.ok, found.code) == ("links.name", False, ELSEWHERE)


async def test_silent_name_server_says_nothing_of_the_name(names, blueprint, site):
    names.trouble = {"cached": "servfail"}
    found = (await look(names, blueprint, site))["acme.example"]
    assert (found.check, found.ok, found.code) == ("links.name", None, faults.SERVER_FAILED)


@pytest.mark.parametrize(
    "answer",
    [
        "HTTP/1.1 200 OK\r\n\r\nother",
        f"HTTP/1.1 404 Not Found\r\n\r\n{INSTALLATION}",
        f"HTTP/1.1 302 Found\r\nLocation: https://{NAME}/\r\n\r\n",
        "no HTTP",
        "",
    ],
)
async def test_answer_of_another_server_is_none_of_ours(names, blueprint, site, answer: str):
    site.answer = answer
    async with site.listen():
        found = (await look(names, blueprint, site))["acme.example"]
    assert (found.ok, found.code) == (False, NOT_SERVED)
    assert "something else answers" in found.message


async def test_certificate_of_another_authority_is_not_trusted(names, blueprint, site):
    async with site.listen():
        site.authority = create_ca("other", now=NOW)
        found = (await look(names, blueprint, site))["acme.example"]
    assert (found.ok, found.code) == (False, NOT_SERVED)
    assert "certificate is not trusted" in found.message


async def test_closed_port_is_wrong(names, blueprint, site):
    async with site.listen():
        pass
    found = (await look(names, blueprint, site))["acme.example"]
    assert (found.ok, found.code) == (False, NOT_SERVED)


async def test_domain_without_a_name_is_not_asked_about(names, site):
    assert await look(names, blueprint_of(mailboxes=True), site) == {}
