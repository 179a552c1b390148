"""Lists in pages: the same parameters and the same answer at every endpoint that lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Query

Row = TypeVar("Row")

Limit = Annotated[int, Query(ge=1, le=100, description="items of a page")]
IdCursor = Annotated[
    UUID | None,
    Query(
        description="`next` of the page before", examples=["0199b1c2-0000-7000-8000-000000000000"]
    ),
]
NameCursor = Annotated[
    str, Query(description="`next` of the page before", max_length=200, examples=["acme"])
]


def cut(
    rows: Sequence[Row], limit: int, cursor: Callable[[Row], object]
) -> tuple[Sequence[Row], str | None]:
    """Return the rows of a page and the cursor of the next, from `limit + 1` rows read."""
    shown = rows[:limit]
    return shown, str(cursor(shown[-1])) if len(rows) > limit else None
