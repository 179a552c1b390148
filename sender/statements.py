"""The SQL of this room, read once from `sql/`: statements are source, not strings in code."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sqlalchemy import TextClause, text

FOLDER = Path(__file__).parent / "sql"


@cache
def statement(name: str) -> TextClause:
    """Return the statement in `sql/<name>.sql`; parameters are written `:name`."""
    return text((FOLDER / f"{name}.sql").read_text())
