"""The policy's queries; cursors are of the caller's transaction, and time is the database's."""

from __future__ import annotations

from typing import Any

from psycopg import AsyncCursor

from kit.queries import Queries

SQL: Queries[str] = Queries(__file__, str)
Cursor = AsyncCursor[Any]
