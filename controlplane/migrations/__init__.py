"""Upgrades a PostgreSQL database to the current schema: roles, our revisions, the sender's."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import DBAPIError

from controlplane.faults import (
    DATABASE_FULL,
    DATABASE_LOCKED,
    DATABASE_POOLED,
    DATABASE_REFUSED,
    DATABASE_TOO_OLD,
    DATABASE_UNAVAILABLE,
)
from kit.database import LIMITS, AdvisoryLock, Role, connection_options, is_pooled, role_name
from kit.faults import Fault, first_line
from sender import migrations as sender

CONNECTION = connection_options("penguin-upgrade")


def upgrade(
    dsn: str,
    installation: str,
    passwords: Mapping[Role, SecretStr],
    *,
    lock_timeout: str = "10s",
) -> None:
    """Create or update the roles and all schemas; a second time changes nothing.

    `dsn` needs a login that may create roles. `lock_timeout` is how long a revision waits for a
    table, and every query behind it as long. Raises DATABASE_UNAVAILABLE, DATABASE_TOO_OLD,
    DATABASE_POOLED, DATABASE_LOCKED, DATABASE_REFUSED or DATABASE_FULL.
    """
    try:
        with psycopg.connect(dsn, autocommit=True, **CONNECTION) as admin:
            if admin.info.server_version < 150000:
                raise DATABASE_TOO_OLD(version=admin.info.server_version // 10000)
            if is_pooled(admin):
                raise DATABASE_POOLED()
            admin.execute("set lock_timeout = '30s'")
            admin.execute("select pg_advisory_lock(%(lock)s)", {"lock": AdvisoryLock.UPGRADE})
            _make_roles(admin, installation, passwords)
            _run_history(dsn, installation, lock_timeout)
            sender.upgrade(dsn, installation)
    except psycopg.Error as error:
        raise _refused(error) from None
    except DBAPIError as error:  # the same, from a revision
        raise _refused(error.orig) from None


def _refused(error: BaseException | None) -> Fault:
    """Return the fault of an error of the database."""
    reason = first_line(error)
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return DATABASE_LOCKED()
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return DATABASE_REFUSED(reason=reason)
    if isinstance(error, psycopg.errors.DiskFull):
        return DATABASE_FULL()
    return DATABASE_UNAVAILABLE(reason=reason)


def _make_roles(
    admin: psycopg.Connection[tuple[object, ...]],
    installation: str,
    passwords: Mapping[Role, SecretStr],
) -> None:
    """Create the roles. They belong to the server, so another database's upgrade may race."""
    for role in Role:
        login = role_name(installation, role)
        name = sql.Identifier(login)
        exists = admin.execute("select 1 from pg_roles where rolname = %s", [login]).fetchone()
        if exists is None:
            with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
                admin.execute(sql.SQL("create role {} login noinherit").format(name))
        secret = passwords[role].get_secret_value()
        admin.execute(
            sql.SQL("alter role {} login password {}").format(
                name, sql.Literal(_scram(admin, login, secret))
            )
        )
        for setting, value in LIMITS.items():
            admin.execute(
                sql.SQL("alter role {} set {} = {}").format(
                    name, sql.Identifier(setting), sql.Literal(value)
                )
            )
    engine = sql.Identifier(role_name(installation, Role.ENGINE))
    database = sql.Identifier(admin.info.dbname)
    admin.execute(
        sql.SQL("alter role {} in database {} set search_path = pulumi").format(engine, database)
    )


def _scram(admin: psycopg.Connection[tuple[object, ...]], login: str, password: str) -> str:
    """Hash a password here: in clear it would be in the server's log."""
    return admin.pgconn.encrypt_password(
        password.encode(), login.encode(), b"scram-sha-256"
    ).decode()


def _run_history(dsn: str, installation: str, lock_timeout: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    engine = create_engine(
        make_url(dsn).set(drivername="postgresql+psycopg"), connect_args=CONNECTION
    )
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"set local lock_timeout = '{lock_timeout}'")
            connection.exec_driver_sql("create schema if not exists oltp")
            config.attributes["connection"] = connection
            config.attributes["installation"] = installation
            command.upgrade(config, "head")
    finally:
        engine.dispose()
