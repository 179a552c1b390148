"""PostgreSQL accepts every named query once all migrations are applied."""

from __future__ import annotations

import re
from itertools import count

import psycopg
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

from hostwinds.journal.postgres import ensure_schema
from kit.paths import checkout
from kit.queries import Queries
from tests.support.queries import FILES

PARAMETER = re.compile(r"%\((\w+)\)[sb]")
PLACE = re.compile(r"(?<![%'])%b\b")
IN_SQLITE = checkout() / "lab"
"""The stand-in for Mailu's admin, as the real one."""
ENGINE_TABLE = (
    "create temporary table pulumi_state "
    "(key text primary key, data json, updated_at timestamptz not null default now())"
)


def prepared(query: str) -> str:
    """Return a query with numbered parameters."""
    if PLACE.search(query):
        places = count(1)
        return PLACE.sub(lambda _: f"${next(places)}", query)
    if not PARAMETER.search(query):
        query = str(text(query).compile(dialect=postgresql.dialect(paramstyle="pyformat")))
    numbers = dict(zip(dict.fromkeys(PARAMETER.findall(query)), count(1), strict=False))
    return PARAMETER.sub(lambda match: f"${numbers[match[1]]}", query)


def test_queries_are_accepted_by_the_upgraded_database(upgraded: str) -> None:
    refused = {}
    with (
        psycopg.connect(upgraded, autocommit=True) as connection,
        connection.transaction(force_rollback=True),
    ):
        ensure_schema(connection)
        connection.execute(ENGINE_TABLE)
        for file in FILES:
            if file.is_relative_to(IN_SQLITE):
                continue
            queries = Queries(str(file), str)
            for name in queries:
                query = getattr(queries, name).replace("{table}", "pulumi_state")
                if name.startswith("create_") or query.startswith("set "):
                    continue  # run by ensure_schema, or a setting, which cannot be prepared
                try:
                    with connection.transaction():
                        connection.execute(f"prepare checked as {prepared(query)}")
                        connection.execute("deallocate checked")
                except psycopg.Error as error:
                    refused[f"{file.parent.name}.{name}"] = str(error)
    assert refused == {}
