"""Reads that can be made alone, or several in one statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar


class Text(Protocol):
    """A query as its library has it."""

    text: str


Query = TypeVar("Query", bound=Text)
Result = TypeVar("Result", covariant=True)
Rows = Sequence[Mapping[str, Any]]
Key = tuple[str, str]


@dataclass(frozen=True)
class Reading(Generic[Query, Result]):
    """A query that changes nothing, with its values, and what its rows become."""

    query: Query
    values: Mapping[str, Any]
    result: Callable[[Rows], Result]

    @cached_property
    def key(self) -> Key:
        """What is equal for equal reads."""
        return self.query.text, repr(sorted(self.values.items()))
