"""Reads that can be made alone, or several in one statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Query = TypeVar("Query")
Result = TypeVar("Result", covariant=True)
Rows = Sequence[Mapping[str, Any]]
Key = tuple[str, str]


@dataclass(frozen=True)
class Reading(Generic[Query, Result]):
    """A query that changes nothing, with its values, and what its rows become."""

    query: Query
    values: Mapping[str, Any]
    result: Callable[[Rows], Result]

    @property
    def key(self) -> Key:
        """What is equal for equal reads."""
        return str(self.query), repr(sorted(self.values.items()))
