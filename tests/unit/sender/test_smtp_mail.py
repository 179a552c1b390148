"""A mail ends where it ends, and its octets are those that were signed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sender.smtp.mail import LAST_BYTES, Mail, Unsendable
from sender.smtp.outcomes import Envelope, storable

BOB = Envelope("b@b.acme.example", "bob@rcpt.example")
PIECES = st.lists(
    st.sampled_from([b"\r\n", b".", b"..", b"a", b" ", b"\x00", b"\xff"]), max_size=30
)


def received(wire: bytes) -> bytes:
    """What a host makes of it (RFC 5321 4.5.2)."""
    lines = wire.split(b"\r\n")
    end = lines.index(b".")
    assert lines[end + 1 :] == [b""], "the mail ended early"
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:end])


@given(PIECES, st.integers(0, 2))
def test_dots_end_no_mail(pieces: list[bytes], large: int) -> None:
    content = b"".join(pieces) + b"a.\r\n." * (large * LAST_BYTES // 8)
    wire = Mail.of(BOB, content)
    whole = content if content.endswith(b"\r\n") or not content else content + b"\r\n"
    assert received(wire.head + wire.tail) == whole
    assert wire.size == len(content)
    assert wire.tail.endswith(b".\r\n")
    assert len(wire.tail) <= LAST_BYTES + 5


@pytest.mark.parametrize(
    "content", [b"a\n", b"a\r", b"a\r\r\n", b"a\n\r\n", b"\r\n.\n", b"\n.\r\n"]
)
def test_other_line_breaks_are_refused(content: bytes) -> None:
    with pytest.raises(Unsendable, match="not CRLF"):
        Mail.of(BOB, content)


def test_words_are_kept_as_databases_and_terminals_take_them() -> None:
    assert storable("450 \x1b[2J\0\udce9\x9b é\n2") == "450 \\x1b[2J\\x00\\udce9\\x9b é\n2"
    assert len(storable("a" * 5000)) == 2000
