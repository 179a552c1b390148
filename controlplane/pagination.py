"""Pagination: the same parameters and response for every list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Query

from blueprint.fields import Text, WrittenWhole
from kit.faults import reason_of

Row = TypeVar("Row")

Limit = Annotated[int, Query(ge=1, le=100, strict=True, description="items per page"), WrittenWhole]
IdCursor = Annotated[
    UUID | None,
    Query(
        description="`next` of the previous page", examples=["0199b1c2-0000-7000-8000-000000000000"]
    ),
]
NameCursor = Annotated[
    Text, Query(description="`next` of the previous page", max_length=200, examples=["acme"])
]

ReasonOrCode = Annotated[
    Text,
    Query(
        description="the reason of a condition, or a code of the reference",
        max_length=200,
        examples=["dns.not_delegated"],
    ),
]


def as_reason(text: str) -> str:
    """Return the reason that a code has, or the text itself."""
    return reason_of(text) if "." in text else text


def paginate(
    rows: Sequence[Row], limit: int, cursor: Callable[[Row], object]
) -> tuple[Sequence[Row], str | None]:
    """Return the rows of a page and the cursor of the next, given `limit + 1` rows."""
    shown = rows[:limit]
    return shown, str(cursor(shown[-1])) if len(rows) > limit else None
