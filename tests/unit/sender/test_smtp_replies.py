"""Replies are the same however a connection divides them, and never unbounded."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sender.smtp.replies import LONGEST_LINE, Malformed, Reply, ReplyReader

STREAM = (
    b"250 2.1.0 Ok\r\n250-first\r\n250-\r\n250 last\r\n354 go\n"
    b"250\r\n421 4.3.2 d\xe9j\xe0\r\n552 5.3.4 too big\r\n"
)
TEXTS = [
    "250 2.1.0 Ok",
    "250 first\n\nlast",
    "354 go",
    "250",
    r"421 4.3.2 d\xe9j\xe0",
    "552 5.3.4 too big",
]


@given(st.sets(st.integers(1, len(STREAM) - 1)))
def test_division_into_segments_changes_nothing(cuts: set[int]) -> None:
    reader = ReplyReader()
    edges = [0, *sorted(cuts), len(STREAM)]
    replies: list[Reply] = []
    for start, end in pairwise(edges):
        replies += reader.feed(STREAM[start:end])
    assert list(map(str, replies)) == TEXTS
    assert [reply.status for reply in replies] == ["2.1.0", None, None, None, "4.3.2", "5.3.4"]
    assert not reader.is_inside


@pytest.mark.parametrize(
    "data",
    [
        b"what?\r\n",
        b"\r\n",
        b"25 Ok\r\n",
        b"2500 Ok\r\n",
        b"150 Ok\r\n",
        b"650 Ok\r\n",
        b"250\tOk\r\n",
        b" 250 Ok\r\n",
        b"\xb2\xb5\xb0 Ok\r\n",
        b"250-a\r\n550 b\r\n",
        b"250 " + b"a" * LONGEST_LINE,
        b"250 " + b"a" * LONGEST_LINE + b"\r\n",
        b"250-a\r\n" * 101,
    ],
)
def test_what_is_no_reply_is_refused_after_those_before_it(data: bytes) -> None:
    replies = ReplyReader().feed(b"250 before\r\n" + data)
    assert str(next(replies)) == "250 before"
    with pytest.raises(Malformed):
        next(replies)


def test_part_of_a_reply_is_noticed() -> None:
    for data in (b"2", b"250-a\r\n"):
        reader = ReplyReader()
        assert list(reader.feed(data)) == []
        assert reader.is_inside
