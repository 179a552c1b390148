"""Arrays as parameters are written as psycopg writes them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.adapt import AdaptersMap, PyFormat, Transformer

from sender.queue import arrays

LISTS: list[list[Any]] = [
    [UUID(int=1), UUID(int=2**127)],
    ["a", "ü" * 300, ""],
    ["same", "size"],
    [1, 2, -3],
    [1, 100_000],
    [2**40, 1],
    [b"", b"\0\1"],
    [True, False],
    [date(2026, 11, 24), date(2000, 1, 1)],
    [datetime(2026, 11, 24, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC)],
    [timedelta(seconds=1), timedelta(days=-3)],
    ["a", None],
    [None, UUID(int=1)],
    [[1, 2], [3, 4]],
]


def written(adapters: AdaptersMap, values: list[Any]) -> tuple[bytes, int]:
    dumper = Transformer(adapters).get_dumper(values, PyFormat.BINARY)
    found = dumper.dump(values)
    assert found is not None
    return bytes(found), dumper.oid


@pytest.mark.parametrize("values", LISTS, ids=str)
def test_array_is_written_as_by_the_library(values: list[Any]):
    own = AdaptersMap(psycopg.adapters)
    arrays.register_in(own)
    assert written(own, values) == written(psycopg.adapters, values)


@pytest.mark.parametrize("values", [[], [None, None], ["a", "b"]], ids=str)
def test_parameter_of_either_format_is_written_as_by_the_library(values: list[Any]):
    own = AdaptersMap(psycopg.adapters)
    arrays.register_in(own)
    ours, theirs = (
        Transformer(one).get_dumper(values, PyFormat.AUTO) for one in (own, psycopg.adapters)
    )
    assert (ours.dump(values), ours.format) == (theirs.dump(values), theirs.format)
