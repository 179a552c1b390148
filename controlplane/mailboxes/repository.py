"""Rows of questions. An answer is sealed for the process that asked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import fetch
from kit.queries import Queries
from kit.readings import Reading
from vault import seal_for

SQL = Queries(__file__, text)


class Action(StrEnum):
    """What is asked of a mailbox."""

    TOKENS = "tokens"
    MAKE = "make"
    REVOKE = "revoke"
    PASSWORD = "password"  # noqa: S105 - the name of an action


@dataclass(frozen=True)
class Question:
    """One question."""

    id: UUID
    host: str
    action: Action
    address: str
    name: str
    """Of a token; empty where none is meant."""
    public_key: str


async def ask(connection: AsyncConnection, tenant_id: UUID, question: Question) -> None:
    """Ask, and forget what no process waits for any more."""
    await connection.execute(SQL.drop_old, {"tenant_id": tenant_id})
    await connection.execute(SQL.ask, {"tenant_id": tenant_id, **vars(question)})


async def answer_of(connection: AsyncConnection, id_: UUID) -> str | None:
    """Return the answer to a question, sealed; None until there is one."""
    result = await connection.execute(SQL.answer_of, {"id": id_})
    answer: str | None = result.scalar_one_or_none()
    return answer


async def forget(connection: AsyncConnection, id_: UUID) -> bool:
    """Delete a question; return whether the reconciler has begun to answer it."""
    result = await connection.execute(SQL.forget, {"id": id_})
    return bool(result.scalar_one_or_none())


async def waiting(connection: AsyncConnection, tenant_id: UUID) -> list[Question]:
    """Return a tenant's questions that were not taken yet, the oldest first."""
    return await fetch(connection, reading(tenant_id))


def reading(tenant_id: UUID) -> Reading[TextClause, list[Question]]:
    """Read a tenant's questions that were not taken yet, the oldest first."""
    return Reading(
        SQL.waiting,
        {"tenant_id": tenant_id},
        lambda rows: [_question(**row) for row in rows],
    )


async def take(connection: AsyncConnection, id_: UUID) -> bool:
    """Begin to answer; return False for a question that was given up."""
    return (await connection.execute(SQL.take, {"id": id_})).rowcount == 1


async def answer(connection: AsyncConnection, question: Question, given: dict[str, Any]) -> None:
    """Answer a question."""
    sealed = seal_for(question.public_key, json.dumps(given).encode())
    await connection.execute(SQL.answer, {"id": question.id, "answer": sealed})


def _question(action: str, **columns: Any) -> Question:
    return Question(action=Action(action), **columns)
