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
MEANT = {
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "cp950",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
}
"""What mail programs mean by a label: the larger charset of Windows (WHATWG's encodings)."""
NO_CHARSETS = ("ascii", "idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape")
"""Codecs of Python's own, and the charset that everything else contains."""
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
        is_text = codec._is_text_encoding  # noqa: SLF001 - no public name
        if not is_text or codec.name in NO_CHARSETS:
            break
        return MEANT.get(codec.name, codec.name)
    return UNLABELLED


def decoded(raw: bytes, label: str) -> str:
    """Return a text; raises UnicodeError for bytes that are none in its charset."""
    text = raw.decode(codec_of(label)).removeprefix("\ufeff")
    text.encode()  # half a character, as UTF-7 can write it, is none
    return text
