"""Enqueueing: the caller's transaction, idempotency, and visibility by tenant and role."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
import uuid_utils
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from kit.database import Role
from kit.faults import Fault
from sender import migrations
from sender.outbox import created_at, enqueue
from sender.schemas import OutgoingMessage
from tests.support.installation import INSTALLATION, login

from .conftest import mail, tenant_transaction


def test_upgrade_repeated_changes_nothing(upgraded):
    migrations.upgrade(upgraded, INSTALLATION)


def test_upgrade_says_which_holds_have_no_end(database: str) -> None:
    migrations.upgrade(database, INSTALLATION, "0014")
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("alter table queue.buckets drop column endless")
        admin.execute(
            """insert into queue.buckets (tenant_id, name, held_until, reason)
            select gen_random_uuid(), reason, now() + interval '15 minutes', reason
            from unnest(array['stopped', 'warmup_cap_reached']) as reason"""
        )
        migrations.upgrade(database, INSTALLATION)
        rows = admin.execute("select name, endless from queue.buckets").fetchall()
    assert sorted(rows) == [("stopped", True), ("warmup_cap_reached", False)]


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


async def test_request_repeated_after_a_field_was_added_is_the_same(
    submit, api_engine, tenant_id, monkeypatch
):
    """What the caller did not give plays no part, whatever its default is by now."""
    first = await submit("key-1")

    class Newer(OutgoingMessage):
        colour: str = "blue"

    message = Newer.model_validate(mail().model_dump(by_alias=True, exclude_unset=True))
    async with tenant_transaction(api_engine, tenant_id) as connection:
        repeated = await enqueue(
            connection, tenant_id=tenant_id, message=message, idempotency_key="key-1"
        )
    assert repeated == first


async def test_time_of_a_message_is_the_databases(submit, sender_engine):
    id_ = await submit()
    later = await submit(run_at=datetime.now(UTC) + timedelta(hours=1))
    async with sender_engine.connect() as connection:
        rows = await connection.execute(
            text("select id, due_at, expires_at - due_at as life from queue.records order by id")
        )
        found = {row.id: row for row in rows}
        now = (await connection.execute(text("select now()"))).scalar_one()
    assert abs(created_at(id_) - found[id_].due_at) < timedelta(milliseconds=2)
    assert found[id_].due_at <= now < found[later].due_at
    assert {row.life for row in found.values()} == {timedelta(days=30)}


ACTS = (
    """insert into queue.ready (bucket_id, priority, due_at, id, tenant_id, expires_at)
    values (1, 1, now(), gen_random_uuid(), :tenant, now())""",
    """insert into mail.events (message_id, tenant_id, kind, state, words)
    values (gen_random_uuid(), :tenant, 'outcome', 'accepted', 'x')""",
    "update queue.records set state = 'done'",
    "update queue.buckets set held_until = '-infinity'",
    "delete from queue.claimed",
)
"""What operators release, withdraw and resolve by, and nobody else but the sender."""
WRITES = (
    "insert into mail.messages values (gen_random_uuid(), :tenant, 'a', 'b', 'c')",
    "delete from queue.bodies",
    "select mail.maintain(0, 0)",
    "select mail.count_month(:tenant, 1, 1)",
    """select queue.enqueue(:tenant, false, array['b'], cast(array[1] as smallint[]),
    array[interval '0'], array[interval '1 day'], array[cast('' as bytea)], null, null)""",
)
READ = ("mail.messages", "mail.events", "queue.records", "queue.buckets", "queue.claimed")
HIDDEN = (
    "mail.months",
    "policy.counters",
    "queue.arrivals",
    "queue.bodies",
    "queue.carried_bodies",
    "queue.dead",
    "queue.identity",
    "queue.keys",
    "queue.ready",
    "queue.records_default",
    "queue.scheduled",
    "queue.slots",
    "queue.tenants",
    "queue.unknown",
    "queue.waiting_ids",
    "queue.workers",
    "directory.entries",
    "directory.withdrawn",
)
OF_TENANTS = """
select c.oid::regclass::text as name, c.relforcerowsecurity and c.relrowsecurity as is_guarded,
    has_any_column_privilege(:api, c.oid, 'select') as is_readable,
    has_table_privilege(:api, c.oid, 'insert, update, delete, truncate')
    or has_any_column_privilege(:api, c.oid, 'insert, update') as is_writable
from pg_class as c join pg_attribute as a on a.attrelid = c.oid and a.attname = 'tenant_id'
where c.relkind in ('r', 'p') and not c.relispartition
  and c.relnamespace::regnamespace::text in ('queue', 'mail', 'directory', 'suppression', 'policy')
"""


class TestRowPolicies:
    async def test_api_sees_its_own_messages_only(self, api_engine, submit, tenant_id):
        await submit()
        stranger = UUID(str(uuid_utils.uuid7()))
        for table in ("mail.messages", "queue.records", "queue.buckets"):
            for viewer, rows in ((tenant_id, 1), (stranger, 0)):
                async with tenant_transaction(api_engine, viewer) as connection:
                    seen = await connection.execute(text(f"select 1 from {table}"))  # noqa: S608 - names of our own tables
                    assert len(seen.all()) == rows, table

    async def test_claims_and_events_of_another_tenant_are_invisible(
        self, api_engine, sender_engine, tenant_id
    ):
        async with sender_engine.begin() as connection:
            for insert in (
                """insert into queue.claimed (id, worker, token, bucket_id, priority, due_at,
                tenant_id, expires_at, attempts, losses)
                values (gen_random_uuid(), 1, 1, 1, 1, now(), :tenant, now(), 0, 0)""",
                ACTS[1],
            ):
                await connection.execute(text(insert), {"tenant": tenant_id})
        for table in ("queue.claimed", "mail.events"):
            for viewer, rows in ((tenant_id, 1), (UUID(int=7), 0)):
                async with tenant_transaction(api_engine, viewer) as connection:
                    seen = await connection.execute(text(f"select 1 from {table}"))  # noqa: S608 - names of our own tables
                    assert len(seen.all()) == rows, table

    @pytest.mark.parametrize(
        ("table", "columns", "values"),
        [
            (
                "suppression.entries",
                "id, tenant_id, recipient, reason, source, added_at",
                "gen_random_uuid(), :tenant, sha256('x'), 'unsubscribed', 'test', now()",
            ),
            (
                "policy.homes",
                "tenant_id, domain, provider, address",
                ":tenant, 'acme.example', 'other', 'mx1-2'",
            ),
        ],
    )
    async def test_suppressions_and_homes_of_another_tenant_are_invisible(
        self, api_engine, sender_engine, tenant_id, table, columns, values
    ):
        insert = text(f"insert into {table} ({columns}) values ({values})")  # noqa: S608 - names of our own tables
        async with sender_engine.begin() as connection:
            await connection.execute(insert, {"tenant": tenant_id})
        for viewer, rows in ((tenant_id, 1), (UUID(str(uuid_utils.uuid7())), 0)):
            async with tenant_transaction(api_engine, viewer) as connection:
                visible = await connection.execute(text(f"select 1 from {table}"))  # noqa: S608 - names of our own tables
                assert len(visible.all()) == rows

    @pytest.mark.parametrize("table", HIDDEN)
    async def test_what_the_api_does_not_need_is_not_readable_by_it(
        self, api_engine, tenant_id, table
    ):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with tenant_transaction(api_engine, tenant_id) as connection:
                await connection.execute(text(f"select * from {table}"))  # noqa: S608 - names of our own tables

    async def test_api_reads_guarded_tables_only_and_writes_to_two(self, sender_engine):
        async with sender_engine.connect() as connection:
            tables = (await connection.execute(text(OF_TENANTS), {"api": login(Role.API)})).all()
        assert {table.name for table in tables} >= {"mail.events", "mail.messages", "queue.ready"}
        open_ = [one.name for one in tables if not one.is_guarded]
        assert {one.name for one in tables if one.is_readable}.isdisjoint(open_)
        writable = {table.name for table in tables if table.is_writable}
        assert writable == {"directory.stops", "suppression.entries"}

    @pytest.mark.parametrize(
        "row",
        [
            """insert into suppression.entries (id, tenant_id, recipient, reason, source, added_at)
            values (gen_random_uuid(), :tenant, sha256('x'), 'manual', 'test', now())""",
            """insert into directory.stops (id, scope, tenant_id, reason, actor, by_operator, since)
            values (gen_random_uuid(), 'tenant', :tenant, 'x', 'x', false, now())""",
        ],
    )
    async def test_api_writes_no_row_of_another_tenant(self, api_engine, tenant_id, row):
        async with tenant_transaction(api_engine, tenant_id) as connection:
            await connection.execute(text(row), {"tenant": tenant_id})
        with pytest.raises(ProgrammingError, match="row-level security"):
            async with tenant_transaction(api_engine, tenant_id) as connection:
                await connection.execute(text(row), {"tenant": UUID(int=7)})

    @pytest.mark.parametrize("table", READ)
    async def test_nothing_is_visible_without_a_tenant_in_the_session(
        self, api_engine, submit, table
    ):
        await submit()
        async with api_engine.connect() as connection:
            seen = await connection.execute(text(f"select * from {table}"))  # noqa: S608 - names of our own tables
            assert seen.first() is None

    @pytest.mark.parametrize("owner", ["", UUID(int=7)])
    async def test_message_for_another_tenant_is_refused(self, api_engine, tenant_id, owner):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with tenant_transaction(api_engine, owner) as connection:
                await enqueue(connection, tenant_id=tenant_id, message=mail(), idempotency_key=None)

    async def test_idempotency_key_of_another_tenant_tells_nothing(self, api_engine, submit):
        mine = await submit("key-1")
        stranger = UUID(str(uuid_utils.uuid7()))
        async with tenant_transaction(api_engine, stranger) as connection:
            other = await enqueue(
                connection,
                tenant_id=stranger,
                message=mail(subject="Another"),
                idempotency_key="key-1",
            )
        assert other != mine

    @pytest.mark.parametrize("statement", [*ACTS, *WRITES])
    async def test_queue_is_not_writable_by_the_api(self, api_engine, submit, tenant_id, statement):
        await submit()
        values = {"tenant": tenant_id} if ":tenant" in statement else {}
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with tenant_transaction(api_engine, tenant_id) as connection:
                await connection.execute(text(statement), values)

    @pytest.mark.parametrize("statement", WRITES)
    async def test_queue_is_not_writable_by_operators(
        self, operator_engine, submit, tenant_id, statement
    ):
        await submit()
        values = {"tenant": tenant_id} if ":tenant" in statement else {}
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with operator_engine.begin() as connection:
                await connection.execute(text(statement), values)

    async def test_messages_of_all_tenants_are_visible_to_sender_and_operators(
        self, sender_engine, operator_engine, submit
    ):
        await submit()
        for engine in (sender_engine, operator_engine):
            async with engine.connect() as connection:
                for table in ("mail.messages", "queue.records", "queue.bodies"):
                    seen = await connection.execute(text(f"select * from {table}"))  # noqa: S608 - names of our own tables
                    assert seen.first() is not None
