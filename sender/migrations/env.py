"""How Alembic reaches the database: one transaction, one upgrade at a time, no waiting on locks."""

from __future__ import annotations

from alembic import context
from sqlalchemy import NullPool, create_engine, text

from kit.database import AdvisoryLock, connection_options
from sender.database import sqlalchemy_url
from sender.migrations import VERSION_SCHEMA


def run() -> None:
    """Apply the wanted revisions."""
    engine = create_engine(
        sqlalchemy_url(context.config.attributes["dsn"]),
        poolclass=NullPool,
        connect_args=connection_options("penguin-upgrade"),
    )
    with engine.begin() as connection:
        connection.execute(text("set local lock_timeout = '5s'"))
        connection.execute(
            text("select pg_advisory_xact_lock(:lock)"), {"lock": AdvisoryLock.SENDER_UPGRADE}
        )
        connection.execute(text(f"create schema if not exists {VERSION_SCHEMA}"))
        context.configure(connection=connection, version_table_schema=VERSION_SCHEMA)
        with context.begin_transaction():
            context.run_migrations()


run()
