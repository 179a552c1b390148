"""The one rule of numbers in texts: files, requests, settings and options write them as JSON does.

What only Python or one version of YAML reads as a number (`010`, `1_0`, `+5`, ` 5 `, `0x10`, `.5`,
digits of other scripts) is none.
"""

from __future__ import annotations

import re
import sys

NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?\Z")
LARGEST = sys.float_info.max
MAX_DIGITS = 20
"""Longer ones are read as floats: Python takes long to convert thousands of digits."""


def number(text: str) -> int | float | None:
    """Return the number that a text is in JSON, a very large one as the nearest float.

    None for any other text.
    """
    found = NUMBER.match(text)
    if found is None:
        return None
    if len(text) <= MAX_DIGITS and not (found[2] or found[3]):
        return int(text)
    return max(-LARGEST, min(float(text), LARGEST))
