"""Cursors are kept for statements, as long as their connection is open."""

from __future__ import annotations

from typing import Any

from sender.queue.session import Cursors


class Connection:
    """Makes cursors."""

    closed = False

    def cursor(self, *, binary: bool) -> object:
        return object()


def test_statement_has_one_cursor_of_each_connection() -> None:
    cursors = Cursors()
    one: Any = Connection()
    other: Any = Connection()
    assert cursors.of(one, "select 1") is cursors.of(one, "select 1")
    assert cursors.of(one, "select 1") is not cursors.of(one, "select 2")
    assert cursors.of(one, "select 1") is not cursors.of(other, "select 1")


def test_cursors_of_a_closed_connection_are_forgotten() -> None:
    cursors = Cursors()
    one: Any = Connection()
    before = cursors.of(one, "select 1")
    one.closed = True
    new: Any = Connection()
    cursors.of(new, "select 1")
    one.closed = False
    assert cursors.of(one, "select 1") is not before
