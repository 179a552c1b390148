"""The clock of the database is an hour behind this machine's: what others read is by the former."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx2
import psycopg
import pytest
from fastapi import FastAPI
from psycopg import sql
from sqlalchemy import text

from composition.phases import ROWS
from controlplane.app import create_app
from controlplane.database import API, CONTROLLER, OPERATOR, Database
from controlplane.images.settings import ImageSettings
from tests.integration.controlplane.conftest import PEPPER, create
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.installation import PLATFORM, login

__all__ = ["stepped"]
CLOCK = """
create schema behind;
create function behind.clock_timestamp() returns timestamptz language sql
    as $$ select pg_catalog.clock_timestamp() - interval '1 hour' $$;
grant usage on schema behind to public;
"""
USE = "alter role {} in database {} set search_path = behind, pg_catalog"
DO_NOT_USE = "alter role {} in database {} reset search_path"
ROLES = (API, OPERATOR, CONTROLLER)


@pytest.fixture
def app(upgraded: str, pools: Database, images: ImageSettings) -> Iterator[FastAPI]:
    """The application of a machine whose clock is ahead of the database's."""
    with psycopg.connect(upgraded, autocommit=True) as admin:
        database = sql.Identifier(admin.info.dbname)
        admin.execute(CLOCK)
        for role in ROLES:
            admin.execute(sql.SQL(USE).format(sql.Identifier(login(role)), database))
        try:
            yield create_app(
                database=pools, platform=PLATFORM, pepper=PEPPER, phases=ROWS, images=images
            )
        finally:
            for role in ROLES:
                admin.execute(sql.SQL(DO_NOT_USE).format(sql.Identifier(login(role)), database))
            admin.execute("drop schema behind cascade")


async def test_request_on_a_machine_whose_clock_is_ahead_is_due_at_once(
    operator: httpx2.AsyncClient, pools: Database
) -> None:
    await create(operator)
    async with pools.begin(CONTROLLER) as connection:
        due = text("select due_at <= clock_timestamp() from oltp.schedule")
        assert (await connection.execute(due)).scalar_one(), "another machine takes it now"


async def test_operation_of_a_machine_whose_clock_is_ahead_is_older_than_those_after_it(
    stepped: SteppedReconciler,
) -> None:
    stepped.clock.time = datetime.now(UTC)
    await stepped.apply()
    assert await stepped.step()
    async with stepped.database.begin(CONTROLLER) as connection:
        ids = (await connection.scalars(text("select id from oltp.operations"))).all()
    begun = [datetime.fromtimestamp((id_.int >> 80) / 1000, UTC) for id_ in ids]
    assert begun
    assert max(begun) < datetime.now(UTC) - timedelta(minutes=59), "the newest one is found by id"
