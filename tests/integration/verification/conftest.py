"""Name servers and mail servers on this machine, and the tenant that they serve."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from blueprint.document import Blueprint, Dkim, PublicKeys
from blueprint.loading import parse
from blueprint.platform import Platform
from blueprint.render import render
from controlplane.authority.certificates import create_ca
from controlplane.reconciler.ports import CloudState, Finding, ObservedAddress, ObservedHost
from tests.support.faults import any_values, assert_shows
from tests.support.installation import PLATFORM

from .echo import EchoServer
from .mail_server import HELO, MailServer
from .name_server import IP, NameServer

KEY = base64.b64encode(bytes(range(256)) + b"the rest").decode()
STATE = CloudState(
    "sha256:x", (ObservedHost("mx1", "acme-mx1", 1, (ObservedAddress("mx1-1", IP, HELO),)),)
)


def shown_by(finding: Finding) -> dict[str, str]:
    """Return reason and message of the condition that shows a finding with a code."""
    assert finding.code is not None
    return {
        "reason": finding.code.reason,
        "message": f"{finding.message}; {finding.remedy}",
    }


def assert_shown(findings: Iterable[Finding]) -> None:
    """Assert that a condition shows each finding with the text of its code."""
    for finding in findings:
        if finding.code is not None:
            assert_shows(shown_by(finding), finding.code, **any_values(finding.code))


@pytest.fixture
def blueprint() -> Blueprint:
    return blueprint_of(mailboxes=True)


def blueprint_of(
    *,
    mailboxes: bool,
    manual: str = "manual.example",
    size: int = 1,
    platform: Platform = PLATFORM,
) -> Blueprint:
    """Render a tenant with a domain of ours and a manual one, with or without mailboxes.

    `size` is the number of addresses of its host.
    """
    document = {
        "apiVersion": "penguinmails.dev/v1",
        "kind": "Tenant",
        "metadata": {"name": "acme"},
        "spec": {
            "plan": "business",
            "region": "us-west",
            "hosts": [{"name": "mx1", "zone": "acme.example", "addresses": size}],
            "domains": [{"name": "acme.example"}, {"name": manual, "dns": "manual"}],
            "mailboxes": [{"address": f"sales@{manual}"}] if mailboxes else [],
            "sending": {"postal_address": "Acme Inc., Springfield"},
        },
    }
    dkim = {name: Dkim(selector="pm1", public_key=KEY) for name in ("acme.example", manual)}
    keys = PublicKeys(ssh="ssh-ed25519 AAAA", dkim=dkim)
    return render(parse(document, platform=platform), platform=platform, keys=keys, generation=1)


@pytest.fixture
async def names(blueprint: Blueprint) -> AsyncIterator[NameServer]:
    """Name servers that serve every record of the blueprint."""
    server = await NameServer.start()
    server.serve(blueprint, {"mx1-1": IP})
    yield server
    await server.close()


@pytest.fixture
async def echo(tmp_path: Path) -> AsyncIterator[EchoServer]:
    """The echo MX."""
    directory = tmp_path / "echo"
    directory.mkdir()
    server = EchoServer(create_ca("echo", now=datetime.now(UTC)), certified=EchoServer.mx)
    async with await server.listen(directory):
        yield server


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
