"""The public endpoints by HTTPS: each name shows its own certificate, from the database."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from composition.parts.public import public_app
from controlplane.authority.certificates import Issued, create_ca, issue
from controlplane.certificates import PROOF, PUBLIC_KEYS, repository
from controlplane.certificates.contexts import Contexts, from_database
from controlplane.certificates.repository import Challenge, key_context
from controlplane.database import CONTROLLER, Database
from controlplane.service import serve_http
from controlplane.tls import Secure
from kit.database import Role
from sender.suppression import recipient_hash
from sender.tokens import Tokens
from tests.integration.controlplane.conftest import create
from tests.integration.sender.conftest import engine_as, value
from tests.support.installation import INSTALLATION, login
from tests.support.tls_client import TIMEOUT, asked
from vault import KeyRing, Vault

TOKENS = Tokens(bytes(32))
NOW = datetime.now(UTC)
ACME, BOB, HOST = "u.acme.example", "u.bob.example", "mx1.acme.example"
RING = KeyRing({"a": bytes(32)})
PUBLIC = Vault(RING.derived(PUBLIC_KEYS))
Certify = Callable[..., Awaitable[Issued]]


@pytest.fixture(scope="module")
def authority() -> Issued:
    return create_ca("test", now=NOW)


@pytest.fixture
async def tenant(operator) -> UUID:
    return UUID((await create(operator))["id"])


@pytest.fixture
def certify(pools: Database, tenant: UUID, authority: Issued) -> Certify:
    """Issue a certificate, as the reconciler stores it."""

    async def certify(name: str, challenge: Challenge = Challenge.HTTP) -> Issued:
        issued = issue(authority, name, now=NOW)
        key = PUBLIC.seal(issued.private_key.encode(), context=key_context(name))
        end = NOW + timedelta(days=90)
        async with pools.begin(CONTROLLER) as connection:
            await repository.wanted(connection, name, tenant, challenge)
            await repository.save_order(
                connection, name, directory="d", order_url="o", order_key=key
            )
            await repository.issue(
                connection,
                name,
                chain=issued.certificate,
                not_before=NOW,
                not_after=end,
                renew_at=end,
            )
        return issued

    return certify


@pytest.fixture
async def public(upgraded: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_as(upgraded, login(Role.PUBLIC))
    yield engine
    await engine.dispose()


@pytest.fixture
def contexts(public: AsyncEngine) -> Contexts:
    return Contexts(from_database(public), PUBLIC, fresh=0)


@pytest.fixture
async def port(public: AsyncEngine, contexts: Contexts) -> AsyncIterator[int]:
    """The port of running endpoints."""
    plain, secure = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    number = secure.getsockname()[1]
    stop, ready = asyncio.Event(), asyncio.Event()
    app = public_app(public, TOKENS, INSTALLATION)
    serving = asyncio.create_task(
        serve_http(app, plain, stop, ready.set, secure=Secure(secure, contexts.of))
    )
    await asyncio.wait_for(ready.wait(), TIMEOUT)
    yield number
    stop.set()
    await asyncio.wait_for(serving, TIMEOUT)


async def test_each_name_shows_its_own_certificate_and_unsubscribes(
    port, certify, authority, tenant, upgraded
):
    link = f"/u/{TOKENS.unsubscribe(tenant, recipient_hash('bob@rcpt.example'))}"
    for name in (ACME, BOB):
        await certify(name)
        status, page = await asked(port, name, authority, link)
        assert (status, '<form method="post">' in page) == (200, True)
        assert await asked(port, name, authority, PROOF) == (200, INSTALLATION)
    status, _ = await asked(port, BOB, authority, link, "POST", "List-Unsubscribe=One-Click")
    assert status == 200
    engine = engine_as(upgraded, login(Role.SENDER))
    assert await value(engine, "select count(*) from suppression.entries") == 1
    await engine.dispose()


async def test_renewed_certificate_is_shown_without_a_restart(port, certify, authority):
    await certify(ACME)
    before = await shown(port, ACME, authority)
    assert await shown(port, ACME, authority) == before
    renewed = await certify(ACME)
    assert await shown(port, ACME, authority) == ssl.PEM_cert_to_DER_cert(renewed.certificate)
    assert before != await shown(port, ACME, authority)


async def shown(port: int, name: str, authority: Issued) -> bytes | None:
    context = ssl.create_default_context(cadata=authority.certificate)
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    certificate: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return certificate


@pytest.mark.parametrize("name", ["u.unknown.example", HOST, None])
async def test_names_without_a_certificate_of_these_endpoints_are_refused(
    port, certify, authority, name
):
    await certify(HOST, Challenge.DNS)
    with pytest.raises(ssl.SSLError, match="TLSV1_UNRECOGNIZED_NAME"):
        await asked(port, name, authority, PROOF)


async def test_other_names_show_the_certificate_of_the_file_as_it_is_now(
    port, contexts, certify, authority, tmp_path: Path
):
    contexts.other = tmp_path / "own.pem"
    for name in ("app.penguinmails.example", "go.penguinmails.example"):
        own = issue(authority, name, now=NOW)
        contexts.other.write_text(own.certificate + own.private_key)
        assert await asked(port, name, authority, PROOF) == (200, INSTALLATION)
    contexts.other.write_text("half of")
    assert await asked(port, "go.penguinmails.example", authority, PROOF) == (200, INSTALLATION)
    await certify(ACME)
    assert await asked(port, ACME, authority, PROOF) == (200, INSTALLATION)


async def test_certificate_is_shown_while_the_database_is_away(port, contexts, certify, authority):
    await certify(ACME)
    before = await shown(port, ACME, authority)

    async def away(_name: str) -> None:
        raise ConnectionRefusedError

    contexts.read = away
    assert await shown(port, ACME, authority) == before


async def test_least_recently_asked_for_names_are_forgotten(contexts, certify):
    contexts.kept, contexts.fresh = 1, 1000
    for name in (ACME, BOB):
        await certify(name)
    first = await contexts.of(ACME)
    assert await contexts.of(ACME) is first
    await contexts.of(BOB)
    assert await contexts.of(ACME) is not first


async def test_key_that_another_key_has_sealed_is_not_opened(contexts, certify):
    await certify(ACME)
    contexts.vault = Vault(RING)
    assert await contexts.of(ACME) is None


async def test_clients_that_are_silent_or_speak_no_tls_delay_no_other(port, certify, authority):
    await certify(ACME)
    silent = await asyncio.open_connection("127.0.0.1", port)
    plain_reader, plain_writer = await asyncio.open_connection("127.0.0.1", port)
    plain_writer.write(b"GET / HTTP/1.1\r\n\r\n")
    with suppress(ConnectionResetError):
        assert await asyncio.wait_for(plain_reader.read(), TIMEOUT) == b""
    assert await asked(port, ACME, authority, PROOF) == (200, INSTALLATION)
    for _, writer in (silent, (plain_reader, plain_writer)):
        writer.close()


async def test_first_message_may_come_in_pieces(port, certify, authority):
    await certify(ACME)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cadata=authority.certificate)
    client = context.wrap_bio(incoming, outgoing, server_hostname=ACME)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    hello = outgoing.read()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in (hello[:3], hello[3:200], hello[200:]):
        writer.write(piece)
        await writer.drain()
    incoming.write(await asyncio.wait_for(reader.read(2**16), TIMEOUT))
    writer.close()
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    assert client.version() is not None


@pytest.mark.parametrize("column", ["order_key", "tenant_id", "challenge"])
async def test_public_role_reads_no_more_than_it_shows(public, certify, column):
    await certify(ACME)
    await certify(HOST, Challenge.DNS)
    async with public.connect() as connection:
        names = (await connection.execute(text("select name from oltp.certificates"))).scalars()
        assert names.all() == [ACME]
        with pytest.raises(ProgrammingError, match="permission denied"):
            await connection.execute(text(f"select {column} from oltp.certificates"))  # noqa: S608 - our own names
