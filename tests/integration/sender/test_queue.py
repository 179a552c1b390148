"""Enqueueing: the caller's transaction, idempotency, and who sees what."""

from __future__ import annotations

from uuid import UUID

import pytest
import uuid_utils
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from sender import migrations
from sender.errors import IdempotencyKeyReused
from sender.queue import enqueue

from .conftest import mail, tenant_transaction


def test_upgrading_twice_changes_nothing(migrated):
    migrations.upgrade(migrated)


async def test_a_rolled_back_transaction_leaves_no_message(api, engine, tenant_id):
    async with tenant_transaction(api, tenant_id) as connection:
        await enqueue(connection, tenant_id=tenant_id, message=mail(), idempotency_key=None)
        await connection.rollback()
    async with engine.connect() as connection:
        assert (await connection.execute(text("select count(*) from queue.jobs"))).scalar() == 0


async def test_a_repeated_request_queues_once(submit, engine):
    first = await submit("key-1")
    assert await submit("key-1") == first
    assert await submit("key-2") != first
    assert await submit() != await submit()
    async with engine.connect() as connection:
        assert (await connection.execute(text("select count(*) from queue.payloads"))).scalar() == 4


async def test_a_key_is_not_used_for_another_message(submit):
    await submit("key-1")
    with pytest.raises(IdempotencyKeyReused):
        await submit("key-1", subject="Something else")


class TestRowPolicies:
    async def test_another_tenant_sees_nothing(self, api, submit):
        await submit()
        async with tenant_transaction(api, UUID(str(uuid_utils.uuid7()))) as connection:
            for query in (
                "select * from queue.jobs",
                "select * from queue.payloads",
                "select * from queue.events",
            ):
                assert (await connection.execute(text(query))).first() is None

    async def test_without_a_tenant_nothing_is_seen(self, api, submit):
        await submit()
        async with api.connect() as connection:
            assert (await connection.execute(text("select * from queue.jobs"))).first() is None

    async def test_nobody_queues_for_another_tenant(self, api, tenant_id):
        with pytest.raises(ProgrammingError, match="row-level security"):
            async with tenant_transaction(api, UUID(str(uuid_utils.uuid7()))) as connection:
                await enqueue(connection, tenant_id=tenant_id, message=mail(), idempotency_key=None)

    async def test_the_api_cannot_change_a_state(self, api, submit, tenant_id):
        await submit()
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with tenant_transaction(api, tenant_id) as connection:
                await connection.execute(text("update queue.jobs set state = 'accepted'"))

    async def test_the_sender_sees_all_tenants(self, engine, submit):
        await submit()
        async with engine.connect() as connection:
            assert (await connection.execute(text("select * from queue.jobs"))).first() is not None
