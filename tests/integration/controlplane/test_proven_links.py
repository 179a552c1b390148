"""A name for links leads here, Pebble issues, the endpoints show it, and a look proves it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from composition.parts.public import public_app
from controlplane.certificates import PUBLIC_KEYS
from controlplane.certificates.contexts import Contexts, from_database
from controlplane.conditions.failures import FailureThreshold
from controlplane.reconciler.phases.links import Links
from controlplane.service import serve_http
from controlplane.tls import Secure
from controlplane.verification.links import PublicLinks
from kit.database import Role
from sender.tokens import Tokens
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.integration.controlplane.test_links import hosts
from tests.integration.controlplane.test_public_authority import (
    Running,
    account,
    authority,
    names,
    passes,
    ports,
    public,
    pytestmark,
)
from tests.integration.sender.conftest import engine_as
from tests.integration.verification.name_server import IP, NameServer
from tests.support.installation import INSTALLATION, PLATFORM, login
from tests.support.memory_internet import MemoryInternet
from tests.support.phases import checks_of
from tests.support.waiting import SECONDS

__all__ = [
    "account", "authority", "names", "passes", "ports", "public", "pytestmark", "stepped",
]  # fmt: skip
NAME, SUBJECT = "u.acme.example", "domain/acme.example"
TIMEOUT = SECONDS


@pytest.fixture
async def port(passes: SteppedReconciler, upgraded: str) -> AsyncIterator[int]:
    """The port of the public endpoints by HTTPS."""
    engine = engine_as(upgraded, login(Role.PUBLIC))
    contexts = Contexts(from_database(engine), passes.vault.derived(PUBLIC_KEYS), fresh=0)
    plain, secure = socket.create_server((IP, 0)), socket.create_server((IP, 0))
    number = secure.getsockname()[1]
    stop, ready = asyncio.Event(), asyncio.Event()
    app = public_app(engine, Tokens(bytes(32)), INSTALLATION)
    serving = asyncio.create_task(
        serve_http(app, plain, stop, ready.set, secure=Secure(secure, contexts.of))
    )
    await asyncio.wait_for(ready.wait(), TIMEOUT)
    yield number
    stop.set()
    await asyncio.wait_for(serving, TIMEOUT)
    await engine.dispose()


async def test_name_gets_a_certificate_by_http_and_is_published_when_it_is_seen_from_outside(
    passes: SteppedReconciler, names: NameServer, authority: Running, port: int
) -> None:
    links = PublicLinks(
        resolver=f"{IP}:{names.port}", roots=authority.pebble.root, port=port, query_timeout=2
    )
    checks = checks_of(MemoryInternet(), links)
    passes.platform = PLATFORM.model_copy(update={"public_address": IP})
    passes.phases = [
        Links(checks, FailureThreshold()) if phase.row is Links.row else phase
        for phase in passes.phases
    ]
    passes.clock.time = datetime.now(UTC)  # the database says how long an answer is public
    await passes.apply()
    await passes.step()
    assert await passes.condition("LinksReady", SUBJECT) == ("False", "LinksElsewhere")
    names.set_record(NAME, "A", IP)
    passes.clock.advance(minutes=6)
    await passes.step()
    assert await passes.condition("LinksReady", SUBJECT) == ("False", "LinksNotServed")
    assert await passes.condition("CertificatesReady", SUBJECT) == ("True", "Issued")
    assert await hosts(passes) == [None]
    passes.clock.advance(minutes=6)
    await passes.step()
    assert await passes.condition("LinksReady", SUBJECT) == ("True", "Proven")
    assert await hosts(passes) == [NAME]
