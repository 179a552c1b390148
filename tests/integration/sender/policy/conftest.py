"""Connections as the sender has them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from kit.database import Role
from tests.support.installation import login

Connection = psycopg.AsyncConnection[Any]


async def connected(dsn: str, role: Role) -> Connection:
    return await psycopg.AsyncConnection.connect(dsn, options=f"-c role={login(role)}")


@pytest.fixture
async def connection(upgraded: str) -> AsyncIterator[Connection]:
    """A transaction of the sender."""
    opened = await connected(upgraded, Role.SENDER)
    yield opened
    await opened.close()


@pytest.fixture
async def other(upgraded: str) -> AsyncIterator[Connection]:
    """A transaction of another sender process."""
    opened = await connected(upgraded, Role.SENDER)
    yield opened
    await opened.close()


@pytest.fixture
async def admin(upgraded: str) -> AsyncIterator[Connection]:
    """A connection that commits each statement, and may move what was counted to another day."""
    async with await psycopg.AsyncConnection.connect(upgraded, autocommit=True) as opened:
        yield opened
