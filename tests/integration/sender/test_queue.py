"""Enqueueing: the caller's transaction, idempotency, and visibility by tenant and role."""

from __future__ import annotations

from uuid import UUID

import pytest
import uuid_utils
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from kit.faults import Fault
from sender import migrations
from sender.outbox import enqueue
from tests.support.installation import INSTALLATION

from .conftest import mail, tenant_transaction


def test_upgrade_repeated_changes_nothing(upgraded):
    migrations.upgrade(upgraded, INSTALLATION)


async def test_message_of_a_rolled_back_transaction_is_not_queued(
    api_engine, sender_engine, tenant_id
):
    async with tenant_transaction(api_engine, tenant_id) as connection:
        await enqueue(connection, tenant_id=tenant_id, message=mail(), idempotency_key=None)
        await connection.rollback()
    async with sender_engine.connect() as connection:
        assert (await connection.execute(text("select count(*) from queue.records"))).scalar() == 0


async def test_message_with_the_same_idempotency_key_is_queued_once(submit, sender_engine):
    first = await submit("key-1")
    assert await submit("key-1") == first
    assert await submit("key-2") != first
    assert await submit() != await submit()
    async with sender_engine.connect() as connection:
        assert (await connection.execute(text("select count(*) from queue.bodies"))).scalar() == 4


async def test_idempotency_key_with_another_message_is_refused(submit):
    await submit("key-1")
    with pytest.raises(Fault, match="came with another body"):
        await submit("key-1", subject="Something else")


class TestRowPolicies:
    async def test_messages_of_another_tenant_are_invisible(self, api_engine, submit):
        await submit()
        async with tenant_transaction(api_engine, UUID(str(uuid_utils.uuid7()))) as connection:
            for query in (
                "select * from queue.jobs",
                "select * from queue.payloads",
                "select * from queue.events",
            ):
                assert (await connection.execute(text(query))).first() is None

    @pytest.mark.parametrize(
        ("table", "columns", "values"),
        [
            (
                "suppression.entries",
                "tenant_id, recipient, reason, source, added_at",
                ":tenant, sha256('x'), 'unsubscribed', 'test', now()",
            ),
            (
                "directory.homes",
                "tenant_id, domain, address, since",
                ":tenant, 'acme.example', 'mx1-2', now()",
            ),
        ],
    )
    async def test_suppressions_and_homes_of_another_tenant_are_invisible(
        self, api_engine, sender_engine, tenant_id, table, columns, values
    ):
        insert = text(f"insert into {table} ({columns}) values ({values})")  # noqa: S608
        async with sender_engine.begin() as connection:
            await connection.execute(insert, {"tenant": tenant_id})
        for viewer, rows in ((tenant_id, 1), (UUID(str(uuid_utils.uuid7())), 0)):
            async with tenant_transaction(api_engine, viewer) as connection:
                visible = await connection.execute(text(f"select 1 from {table}"))  # noqa: S608
                assert len(visible.all()) == rows

    @pytest.mark.parametrize(
        "table",
        [
            "queue.usage", "queue.lease_tokens", "directory.entries",
        ],
    )  # fmt: skip
    async def test_tables_of_the_sender_are_not_readable_by_the_api(
        self, api_engine, tenant_id, table
    ):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with tenant_transaction(api_engine, tenant_id) as connection:
                await connection.execute(text(f"select * from {table}"))  # noqa: S608

    async def test_messages_without_a_tenant_in_the_session_are_invisible(self, api_engine, submit):
        await submit()
        async with api_engine.connect() as connection:
            assert (await connection.execute(text("select * from queue.jobs"))).first() is None

    async def test_message_for_another_tenant_is_refused(self, api_engine, tenant_id):
        with pytest.raises(ProgrammingError, match="row-level security"):
            async with tenant_transaction(api_engine, UUID(str(uuid_utils.uuid7()))) as connection:
                await enqueue(
                    connection,
                    tenant_id=tenant_id,
                    generation=1,
                    message=mail(),
                    idempotency_key=None,
                )

    async def test_state_of_a_message_is_not_writable_by_the_api(
        self, api_engine, submit, tenant_id
    ):
        await submit()
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with tenant_transaction(api_engine, tenant_id) as connection:
                await connection.execute(text("update queue.jobs set state = 'accepted'"))

    async def test_messages_of_all_tenants_are_visible_to_the_sender(self, sender_engine, submit):
        await submit()
        async with sender_engine.connect() as connection:
            assert (await connection.execute(text("select * from queue.jobs"))).first() is not None
