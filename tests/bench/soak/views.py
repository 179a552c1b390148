"""What operators and tenants look at in a deep queue, by the functions that the API calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from kit.database import Role
from sender import mailq, suppression
from sender.database import sqlalchemy_url
from sender.explain import find
from sender.queue import operations
from sender.schemas import State, SuppressionReason
from sender.search import Filter, search
from tests.support.installation import login

Look = Callable[[], Awaitable[object]]
NOBODY = "nobody@rcpt.example"


def measure(dsn: str) -> dict[str, float]:
    """Return the seconds of each look, as an operator and as a tenant; each is the first one."""
    return asyncio.run(_measure(dsn))


async def _measure(dsn: str) -> dict[str, float]:
    found: dict[str, float] = {}
    with psycopg.connect(dsn) as admin:
        row = admin.execute("select id, tenant_id, recipient from mail.messages limit 1").fetchone()
    assert row is not None
    message_id, tenant_id, recipient = row
    operator = await psycopg.AsyncConnection.connect(dsn, options=f"-c role={login(Role.OPERATOR)}")
    async with operator:
        for name, look in _operators(operator, tenant_id).items():
            found[name] = await _timed(look)
            await operator.rollback()
    engine = create_async_engine(
        sqlalchemy_url(dsn), connect_args={"options": f"-c role={login(Role.API)}"}
    )
    for name, look_at in _tenants(tenant_id, message_id, recipient).items():
        async with engine.begin() as connection:
            await connection.execute(
                text("select set_config('app.current_tenant_id', :tenant, true)"),
                {"tenant": str(tenant_id)},
            )
            began = time.monotonic()
            await look_at(connection)
            found[name] = time.monotonic() - began
    await engine.dispose()
    return found


async def _timed(look: Look) -> float:
    began = time.monotonic()
    await look()
    return time.monotonic() - began


def _operators(connection: psycopg.AsyncConnection[Any], tenant_id: UUID) -> dict[str, Look]:
    one = mailq.Selection(tenant_id=tenant_id)
    reason = mailq.Selection(code="warmup_cap_reached")
    nowhere = mailq.Selection(recipient_domain="nowhere.example")
    return {
        "queue stats: depths": lambda: operations.depths(connection),
        "stats": lambda: operations.stats(connection),
        "top: buckets": lambda: operations.busiest_buckets(connection, limit=100),
        "top: rates": lambda: mailq.rates(connection),
        "top: waits": lambda: mailq.waits(connection),
        "/health/queue": lambda: operations.health(connection),
        "mailq": lambda: operations.held_buckets(connection),
        "mailq of a tenant": lambda: operations.held_buckets(connection, tenant_id=tenant_id),
        "mailq by a rare reason": lambda: operations.held_buckets(connection, reason="stopped"),
        "unknown": lambda: mailq.unknown_mails(connection),
        "dead": lambda: mailq.dead_mails(connection, tenant_id=tenant_id),
        "withdraw, of a tenant": lambda: mailq.withdraw(
            connection, one, words="", actor="bench", most=500
        ),
        "withdraw, by reason": lambda: mailq.withdraw(
            connection, reason, words="", actor="bench", most=500
        ),
        "withdraw, by a domain": lambda: mailq.withdraw(
            connection, nowhere, words="", actor="bench", most=500
        ),
        "retry, of a tenant": lambda: mailq.retry(connection, one, most=500),
        "release, of a tenant": lambda: mailq.release(connection, one, most=500),
        "release, by a domain": lambda: mailq.release(connection, nowhere, most=500),
    }


def _tenants(
    tenant_id: UUID, message_id: UUID, recipient: str
) -> dict[str, Callable[[AsyncConnection], Awaitable[object]]]:
    def found(**wanted: Any) -> Callable[[AsyncConnection], Awaitable[object]]:
        return lambda connection: search(connection, tenant_id=tenant_id, wanted=Filter(**wanted))

    hash_ = suppression.recipient_hash(recipient)
    return {
        "messages": found(),
        "messages: held": found(states=[State.HELD]),
        "messages: accepted": found(states=[State.ACCEPTED]),
        "messages: by recipient": found(recipient=recipient),
        "messages: by another recipient": found(recipient=NOBODY),
        "messages: by reason": found(reason="stopped"),
        "messages: by campaign": found(campaign="spring"),
        "messages: long ago": found(until=datetime.now(UTC) - timedelta(days=30)),
        "one message": lambda connection: find(connection, message_id),
        "suppressions: look-up": lambda connection: suppression.find(
            connection, tenant_id=tenant_id, recipient=hash_
        ),
        "suppressions: by a rare reason": lambda connection: suppression.list_suppressions(
            connection, tenant_id=tenant_id, reason=SuppressionReason.MANUAL, limit=100
        ),
    }
