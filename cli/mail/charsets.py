"""Decodes text as mail programs label it: with aliases, wrong labels and none."""

from __future__ import annotations

import codecs

ALIASES = {
    "utf8mb4": "utf-8",
    "utf8mb3": "utf-8",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-6-i": "iso-8859-6",
    "ks_c_5601-1987": "cp949",
    "x-sjis": "cp932",
    "x-euc-jp": "euc-jp",
    "x-gbk": "gbk",
    "x-mac-roman": "mac-roman",
    "macintosh": "mac-roman",
}
"""Labels that Python does not know."""
UNLABELLED = "utf-8"
"""What is tried where a label is missing, unknown or ASCII: a text that is something else hardly
ever decodes as UTF-8."""


def codec_of(label: str) -> str:
    """Return the name of the codec for a charset's label."""
    wanted = label.strip().strip("\"'").lower()
    wanted = ALIASES.get(wanted, wanted)
    for name in (wanted, wanted.replace("-", ""), wanted.removeprefix("x-")):
        try:
            codec = codecs.lookup(name)
        except (LookupError, ValueError):
            continue
        if not codec._is_text_encoding or codec.name == "ascii":  # noqa: SLF001 - no public name
            break
        # What calls itself ISO 8859-1 is Windows-1252 where the two differ (WHATWG's encodings).
        return "cp1252" if codec.name == "iso8859-1" else codec.name
    return UNLABELLED


def decoded(raw: bytes, label: str) -> str:
    """Return a text; raises UnicodeError for bytes that are none in its charset."""
    return raw.decode(codec_of(label)).removeprefix("\ufeff")
