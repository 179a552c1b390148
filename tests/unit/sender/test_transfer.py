"""Transfer encodings: read back unchanged, and nothing in them that a mail server changes."""

from __future__ import annotations

import base64
import quopri
import re
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sender.transfer import LINE, encoded

DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "7bit": bytes,
    "quoted-printable": quopri.decodestring,
    "base64": base64.b64decode,
}
LINES = st.lists(
    st.sampled_from(["", ".", "..", ".From x", "From ", "From x", "x ", "\t", "=", "ü", "x" * 75])
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=90),
    max_size=8,
)


@given(LINES, st.sampled_from(["\n", "\r\n", "\r"]))
@example(["." * 200], "\n")
@example(["x" * 75 + " "], "\n")
@example([".", ".", ""], "\n")
def test_text_of_any_lines_is_read_back_and_changed_by_nobody(lines: list[str], end: str) -> None:
    text = end.join(lines)
    name, body = encoded(text)
    octets = text.encode().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    expected = (octets + b"\n" * (not octets.endswith(b"\n"))).replace(b"\n", b"\r\n")
    assert DECODERS[name](body) == expected
    assert body.isascii()
    assert body.endswith(b"\r\n")
    assert re.search(rb"[^\t\r\n -~]|\r(?!\n)|(?<!\r)\n", body) is None
    for line in body.split(b"\r\n"):
        assert len(line) <= LINE
        assert not line.startswith((b".", b"From "))
        assert not line.endswith((b" ", b"\t"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Hello Bob\n", "7bit"),
        ("", "7bit"),
        ("x" * 77, "quoted-printable"),
        ("Viele Grüße aus dieser Stadt\n", "quoted-printable"),
        ("trailing \n", "quoted-printable"),
        ("Здравствуйте\n", "base64"),
        ("..\n" * 100, "base64"),
        ("\x01\x02", "base64"),
    ],
)
def test_text_gets_the_shortest_encoding_that_it_can_have(text: str, name: str) -> None:
    assert encoded(text)[0] == name
