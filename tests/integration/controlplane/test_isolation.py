"""Isolation below the API: what the database itself refuses."""

from __future__ import annotations

from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from controlplane import faults
from controlplane.database import API, OPERATOR
from controlplane.migrations import upgrade
from hostwinds.journal.postgres import grant_rights
from kit.database import Role, role_dsn, role_name
from tests.integration.controlplane.conftest import document
from tests.support.faults import assert_shows, printed
from tests.support.installation import INSTALLATION, PASSWORDS, login

SCHEMAS = ("oltp", "queue", "mail", "directory", "suppression")
TABLES = ("domains", "hosts", "conditions", "operations", "operation_lines", "events", "schedule")


@pytest.fixture
async def two(operator) -> tuple[UUID, UUID]:
    created = [(await operator.post("/tenants", json=document(n))).json() for n in ("acme", "bob")]
    return UUID(created[0]["id"]), UUID(created[1]["id"])


async def test_api_role_with_a_tenant_sees_its_rows_only(pools, two):
    async with pools.begin(API) as connection:
        assert (await connection.execute(text("select * from oltp.tenants"))).all() == []
    async with pools.begin(API, tenant_id=two[0]) as connection:
        names = (await connection.execute(text("select name from oltp.tenants"))).scalars().all()
        assert names == ["acme"]
        for table in TABLES:
            rows = await connection.execute(text(f"select tenant_id from oltp.{table}"))  # noqa: S608
            assert set(rows.scalars()) <= {two[0]}, table


async def test_api_role_writing_a_row_of_another_tenant_is_refused(pools, two):
    async with pools.begin(API, tenant_id=two[0]) as connection:
        done = await connection.execute(text("update oltp.tenants set updated_at = now()"))
        assert done.rowcount == 1
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with pools.begin(API, tenant_id=two[0]) as connection:
            await connection.execute(
                text("insert into oltp.domains values ('x.example', :id)"), {"id": two[1]}
            )


@pytest.mark.parametrize(
    "change",
    [
        "oltp.tenants set pause_reason = null",
        "oltp.tenants set public_keys = null",
        "oltp.tenants set observed_generation = 9",
        "oltp.tenants set refresh_asked_at = null",
        "oltp.tenants set bought_again = '{1001}'",
        "oltp.schedule set token = 0",
        "oltp.schedule set lease_until = null",
    ],
)
async def test_api_role_updating_a_column_of_the_controller_is_refused(pools, two, change):
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with pools.begin(API, tenant_id=two[0]) as connection:
            await connection.execute(text(f"update {change}"))


async def test_api_role_reading_keys_or_secrets_sees_none(pools, client_of, two):
    await client_of(str(two[0]))
    async with pools.begin(API, tenant_id=two[0]) as connection:
        assert (await connection.execute(text("select * from oltp.api_keys"))).all() == []
    for role in (API, OPERATOR):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with pools.begin(role, tenant_id=two[0]) as connection:
                await connection.execute(text("select * from oltp.secrets"))


async def test_row_level_security_is_forced_on_every_table_and_role(pools, upgraded, two):
    with psycopg.connect(upgraded) as admin:
        rows = admin.execute(
            "select rolname from pg_roles where rolname = any(%s) and (rolsuper or rolbypassrls)",
            [[login(role) for role in Role]],
        ).fetchall()
        assert rows == []
        open_tables = admin.execute(
            "select oid::regclass::text from pg_class c where relkind in ('r', 'p') "
            "and relnamespace::regnamespace::text = any(%s) and relname <> 'alembic_version' "
            "and (relnamespace = 'oltp'::regnamespace or exists (select 1 from pg_attribute "
            "where attrelid = c.oid and attname = 'tenant_id')) "
            "and not relispartition "
            "and not (relrowsecurity and relforcerowsecurity)",
            [list(SCHEMAS)],
        ).fetchall()
        assert open_tables == []


async def test_api_role_of_one_tenant_reads_no_row_of_another_from_any_table(
    pools, upgraded, operator, two
):
    """Each table that names a tenant gets a row of both; the API's role may see one at most."""
    with psycopg.connect(upgraded) as admin:
        tables = admin.execute(
            "select table_schema || '.' || table_name from information_schema.columns "
            "where column_name = 'tenant_id' and table_schema = any(%s) order by 1",
            [list(SCHEMAS)],
        ).fetchall()
    assert {"oltp.domains", "queue.records", "directory.entries"} <= {name for (name,) in tables}
    for (table,) in tables:
        try:
            async with pools.begin(API, tenant_id=two[0]) as connection:
                rows = await connection.execute(text(f"select tenant_id from {table}"))  # noqa: S608
                assert set(rows.scalars()) <= {two[0], None}, table
        except ProgrammingError as error:
            assert "permission denied" in str(error), table  # noqa: PT017 - either is isolation


@pytest.mark.parametrize(
    ("role", "uses", "creates"),
    [(Role.ENGINE, {"pulumi"}, {"pulumi"}), (Role.JOURNAL, {"purchase"}, set())],
)
def test_role_of_engine_and_journal_has_rights_on_its_own_schema_only(
    database, role, uses, creates
):
    upgrade(database, INSTALLATION, PASSWORDS)
    with psycopg.connect(database) as connection:
        grant_rights(connection, login(Role.JOURNAL))
        for right, schemas in (("usage", {"public"} | uses), ("create", creates)):
            rows = connection.execute(
                "select nspname from pg_namespace where has_schema_privilege(%s, oid, %s) "
                "and nspname <> 'information_schema' and nspname !~ '^pg_'",
                [login(role), right],
            ).fetchall()
            assert {name for (name,) in rows} == schemas


def test_upgrade_repeated_keeps_the_data(database):
    upgrade(database, INSTALLATION, PASSWORDS)
    with psycopg.connect(database) as admin:
        admin.execute(
            "insert into oltp.tenants (id, name, generation, document, created_at, updated_at) "
            "values (gen_random_uuid(), 'kept', 1, '{}', now(), now())"
        )
    upgrade(database, INSTALLATION, PASSWORDS)
    with psycopg.connect(database) as admin:
        assert admin.execute("select name from oltp.tenants").fetchall() == [("kept",)]


def test_upgrade_without_rights_is_refused(database):
    upgrade(database, INSTALLATION, PASSWORDS)
    weak = role_dsn(database, login(API), PASSWORDS[API].get_secret_value())
    refused = printed(lambda: upgrade(weak, INSTALLATION, PASSWORDS))
    assert_shows(refused, faults.DATABASE_REFUSED, reason=...)


def test_upgrade_with_a_lock_held_by_another_is_refused(database):
    with psycopg.connect(database) as admin:
        upgrade(database, INSTALLATION, PASSWORDS)
        admin.execute("lock table oltp.alembic_version")
        refused = printed(lambda: upgrade(database, INSTALLATION, PASSWORDS, lock_timeout="100ms"))
    assert_shows(refused, faults.DATABASE_LOCKED)


def test_upgrade_by_a_login_without_rights_on_schemas_is_refused(database):
    upgrade(database, INSTALLATION, PASSWORDS)
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("drop schema oltp cascade")
        admin.execute("create role half superuser login password 'half'")
        admin.execute("alter role half nosuperuser createrole")
        for role in Role:
            admin.execute(f"grant {login(role)} to half with admin option")
        try:
            refused = printed(
                lambda: upgrade(role_dsn(database, "half", "half"), INSTALLATION, PASSWORDS)
            )
        finally:
            admin.execute("drop owned by half")
            admin.execute("drop role half")
    assert_shows(refused, faults.DATABASE_REFUSED, reason=...)


def test_upgrade_with_a_malformed_dsn_is_refused(database):
    refused = printed(lambda: upgrade("postgresql://[", INSTALLATION, PASSWORDS))
    assert_shows(refused, faults.DATABASE_UNAVAILABLE, reason=...)


def test_upgrade_of_an_unreachable_database_is_refused_without_its_password(database):
    refused = printed(
        lambda: upgrade("postgresql://nobody:secret@127.0.0.1:1/none", INSTALLATION, PASSWORDS)
    )
    assert_shows(refused, faults.DATABASE_UNAVAILABLE, reason=...)
    assert "secret" not in refused


def test_upgrade_lets_a_role_without_login_log_in(database):
    with psycopg.connect(database, autocommit=True) as admin:
        upgrade(database, INSTALLATION, PASSWORDS)
        admin.execute(f"alter role {login(Role.API)} nologin")
    upgrade(database, INSTALLATION, PASSWORDS)
    dsn = role_dsn(database, login(API), PASSWORDS[API].get_secret_value())
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select current_user").fetchone() == (login(API),)


def test_roles_of_another_installation_have_no_rights(database, postgres_server):
    upgrade(database, INSTALLATION, PASSWORDS)
    other = f"{urlsplit(database).path[1:]}_other"
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"create database {other}")
        try:
            upgrade(postgres_server.dsn(other), "other", PASSWORDS)
            for role in Role:
                stranger = role_dsn(
                    database, role_name("other", role), PASSWORDS[role].get_secret_value()
                )
                with (
                    psycopg.connect(stranger) as connection,
                    pytest.raises(psycopg.errors.InsufficientPrivilege),
                ):
                    connection.execute("select 1 from oltp.tenants")
        finally:
            admin.execute(f"drop database {other} with (force)")
