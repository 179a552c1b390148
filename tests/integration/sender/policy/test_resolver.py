"""Recipients' domains get their providers by DNS queries, in batches, never when enqueueing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from psycopg import AsyncCursor
from psycopg_pool import AsyncConnectionPool

from kit.database import Role
from sender.policy.resolver import DnsMx, Resolver
from tests.integration.verification.name_server import IP, NameServer
from tests.support.installation import login

from .conftest import Connection, connected


@pytest.fixture
async def names() -> AsyncIterator[NameServer]:
    server = await NameServer.start()
    server.set_record("acme.example", "MX", "10 aspmx.l.google.com.")
    server.set_record("small.example", "MX", "20 mx2.small.example.", "10 mx.small.example.")
    yield server
    await server.close()


@pytest.fixture
async def resolver(upgraded: str, names: NameServer) -> AsyncIterator[Resolver]:
    options = f"-c role={login(Role.SENDER)}"
    async with AsyncConnectionPool(
        upgraded, min_size=1, max_size=2, kwargs={"options": options}
    ) as pool:
        yield Resolver(pool, DnsMx(IP, names.port, timeout=2))


@pytest.fixture
async def api(upgraded: str) -> AsyncIterator[Connection]:
    """A connection of the API, which enqueues."""
    opened = await connected(upgraded, Role.API)
    await opened.set_autocommit(True)
    yield opened
    await opened.close()


async def providers_of(cursor: AsyncCursor[Any], domains: list[str]) -> dict[str, str | None]:
    await cursor.execute("select * from policy.providers_of(%s)", (domains,))
    return dict(await cursor.fetchall())


async def rows(admin: Connection) -> dict[str, tuple[Any, ...]]:
    found = await admin.execute(
        "select domain, provider, reason, look_at > now() from policy.recipient_domains"
    )
    return {row[0]: row[1:] for row in await found.fetchall()}


async def test_new_domain_is_unresolved_until_it_was_looked_up(api, resolver, names):
    wanted = ["acme.example", "small.example", "none.example"]
    first = await providers_of(api.cursor(), wanted)
    assert first == dict.fromkeys(wanted)
    assert names.queries == []
    assert await resolver.resolve() == 3
    assert await providers_of(api.cursor(), wanted) == {
        "acme.example": "google",
        "small.example": "other",
        "none.example": "other",
    }
    assert await resolver.resolve() == 0


@pytest.mark.parametrize("trouble", ["servfail", "silent"])
async def test_trouble_of_dns_leaves_a_domain_unresolved_with_its_reason(
    api, resolver, names, admin, trouble
):
    await providers_of(api.cursor(), ["acme.example"])
    names.trouble["cached"] = trouble
    assert await resolver.resolve() == 1
    [(provider, reason, waits)] = (await rows(admin)).values()
    assert (provider, waits) == (None, True)
    assert "MX of acme.example" in reason
    names.trouble.clear()
    await admin.execute("update policy.recipient_domains set look_at = now()")
    assert await resolver.resolve() == 1
    assert await rows(admin) == {"acme.example": ("google", None, True)}


async def test_resolved_domain_stays_so_while_dns_has_trouble(api, resolver, names, admin):
    await providers_of(api.cursor(), ["acme.example"])
    await resolver.resolve()
    names.trouble["cached"] = "servfail"
    await admin.execute("update policy.recipient_domains set look_at = now()")
    await resolver.resolve()
    assert await providers_of(api.cursor(), ["acme.example"]) == {"acme.example": "google"}


async def test_api_cannot_read_which_domains_there_are(api):
    await providers_of(api.cursor(), ["acme.example"])
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await api.execute("select domain from policy.recipient_domains")
