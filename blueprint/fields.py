"""Types of fields whose JSON Schema accepts exactly what their models accept."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
)

from kit.faults import Code
from kit.numbers import number

CONTROLS = "\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029"
"""Control characters and line ends, for a character class of a pattern."""
BLANKS = " \\u00a0\\u00ad\\u1680\\u2000-\\u200f\\u202a-\\u202f\\u205f-\\u206f\\u2800\\u3000\\ufeff"
"""Characters that show nothing, likewise."""
ONE_LINE = rf"^[^{CONTROLS}]*$"
MAX_DIGITS = 12
DURATION = re.compile(
    r"P(?!\Z)([0-9]+D)?(T(?!\Z)([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?", re.ASCII
)
FLAGS = {"true": True, "false": False}
NOT_BLANK = rf"^[^{CONTROLS}]*[^{CONTROLS}{BLANKS}][^{CONTROLS}]*$"
NO_CONTROLS_BUT_LINE_ENDS = "[^\\u0000-\\u0009\\u000b-\\u001f\\u007f-\\u009f\\u2028\\u2029]*"
SEVERAL_LINES = rf"^{NO_CONTROLS_BUT_LINE_ENDS}[^{CONTROLS}{BLANKS}]{NO_CONTROLS_BUT_LINE_ENDS}$"
NO_NUL = r"^[^\u0000]*$"


class NotMatching(ValueError):
    """A text is refused: what to write, and where it is clear, the text that was meant."""

    def __init__(self, remedy: str, suggestion: str | None = None) -> None:
        super().__init__(remedy)
        self.suggestion = suggestion


class RuleBroken(ValueError):
    """A rule across the fields of a model is broken: its code, the field to change, the values."""

    def __init__(self, code: Code, *path: str | int, **values: Any) -> None:
        super().__init__(code.name)
        self.code = code
        self.path = path
        self.values = values


@dataclass(frozen=True)
class Matching:
    """A pattern for a text, and what to write where it does not match.

    A field can have several; pydantic and JSON Schema support only one `pattern` per string.
    `meant` returns the text that a wrong one probably means.
    """

    pattern: str
    remedy: str
    meant: Callable[[str], str | None] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        matches = _matcher(self.pattern)

        def check(text: str) -> str:
            if not matches(text):
                candidate = self.meant(text) if self.meant is not None else None
                is_clear = candidate is not None and matches(candidate)
                raise NotMatching(self.remedy, candidate if is_clear else None)
            return text

        return AfterValidator(check).__get_pydantic_core_schema__(source, handler)

    def __get_pydantic_json_schema__(
        self, schema: Any, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        described = handler(schema)
        if "pattern" in described:
            further = described.get("allOf", [])
            return {**described, "allOf": [*further, {"pattern": self.pattern}]}
        return {**described, "pattern": self.pattern}


def _matcher(pattern: str) -> Callable[[str], bool]:
    """Return what says whether a text matches a pattern."""
    if pattern == NO_NUL:  # of texts of any length: this looks at them twenty times as fast
        return lambda text: "\0" not in text
    # Python's `$` also matches before a last line end; JSON Schema's does not.
    search = re.compile(re.sub(r"\$\Z", r"\\Z", pattern)).search
    return lambda text: search(text) is not None


def _whole(value: object) -> object:
    if isinstance(value, str):
        remedy, meant = _number_meant(value)
        quoted = ", without quotes" if number(value) is not None else ""
        raise NotMatching(f"{remedy}{quoted}", meant)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _number_meant(text: str) -> tuple[str, str | None]:
    """Return what to write in place of a text, and the number if there is only one reading."""
    decimal = "write a whole number in decimal digits"
    digits = text.strip().replace("_", "").removeprefix("+")
    if re.fullmatch("0[0-7]{1,9}", digits):
        return f"write {int(digits)}, or {int(digits, 8)} where an octal number is meant", None
    for pattern, base in (("(0|[1-9][0-9]{0,9})", 10), ("0o[0-7]{1,9}", 8), ("0x[0-9a-fA-F]+", 16)):
        if re.fullmatch(pattern, digits) and len(digits) <= MAX_DIGITS:
            return decimal, str(int(digits, base))
    return decimal, None


def _count(value: object) -> object:
    read = number(value) if isinstance(value, str) else None
    return _whole(value if read is None else read)


def _real(value: object) -> object:
    read = number(value) if isinstance(value, str) else value
    if read is None:
        raise NotMatching("write a number in decimal digits, such as 0.5")
    return read


def _duration(value: object) -> object:
    if isinstance(value, timedelta) or (isinstance(value, str) and DURATION.fullmatch(value)):
        return value
    raise NotMatching("write a duration such as PT30M or PT0.5S")


def _written(duration: timedelta) -> str:
    """Return a duration as it can be read again; pydantic writes 365 days as a year."""
    seconds = f"{duration.seconds}.{duration.microseconds:06}"
    return f"P{duration.days}DT{seconds}S"


def _flag(value: object) -> object:
    if isinstance(value, str) and value not in FLAGS:
        raise NotMatching("write true or false")
    return FLAGS[value] if isinstance(value, str) else value


Whole = BeforeValidator(_whole)
"""Accepts 3.0 as 3, as JSON Schema does, for an integer that is otherwise strict."""
WrittenWhole = BeforeValidator(_count)
"""Reads a text, for an integer that is otherwise strict. Limits stand before it, else the JSON
Schema does not have them."""
Count = Annotated[int, Field(strict=True), WrittenWhole]
"""A whole number of a setting or option, where only texts can be written."""
Real = Annotated[float, Field(strict=True), BeforeValidator(_real)]
"""A number of a setting or option."""
Duration = Annotated[
    timedelta, BeforeValidator(_duration), PlainSerializer(_written, when_used="json")
]
"""A duration of a setting, as ISO 8601 writes it."""
Flag = Annotated[bool, Field(strict=True), BeforeValidator(_flag)]
"""A truth value of a parameter."""
OneLine = Matching(ONE_LINE, "write it without control characters and line breaks")
Text = Annotated[str, Matching(NO_NUL, "write it without NUL")]
"""Any text that PostgreSQL can store; pydantic accepts no lone surrogates."""
