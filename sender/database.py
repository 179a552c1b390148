"""How the sender reaches PostgreSQL."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from kit.queries import Queries

SQL = Queries(__file__, text)
"""The queries of this room's public functions."""
Connection = AsyncConnection | AsyncSession
"""Whatever the caller's transaction runs on."""


def sqlalchemy_url(dsn: str) -> str:
    """Name the driver in a plain PostgreSQL URL, as SQLAlchemy wants it."""
    scheme, separator, rest = dsn.partition("://")
    return f"postgresql+psycopg{separator}{rest}" if scheme.startswith("postgres") else dsn
