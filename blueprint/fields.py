"""Types of fields whose JSON Schema accepts exactly what their models accept."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)

from kit.faults import Code

CONTROLS = "\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029"
"""Control characters and line ends, for a character class of a pattern."""
ONE_LINE = rf"^[^{CONTROLS}]*$"
MAX_DIGITS = 12
NOT_BLANK = rf"^[^{CONTROLS}]*[^{CONTROLS} ][^{CONTROLS}]*$"
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
        # Python's `$` also matches before a last line end; JSON Schema's does not.
        matches = re.compile(re.sub(r"\$\Z", r"\\Z", self.pattern)).search

        def check(text: str) -> str:
            if matches(text) is None:
                candidate = self.meant(text) if self.meant is not None else None
                is_clear = candidate is not None and matches(candidate) is not None
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


def _whole(value: object) -> object:
    if isinstance(value, str):
        raise NotMatching(*_number_meant(value))
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _number_meant(text: str) -> tuple[str, str | None]:
    """Return what to write in place of a text, and the number if there is only one reading."""
    decimal = "write a whole number in decimal digits, without quotes"
    digits = text.replace("_", "").removeprefix("+")
    if re.fullmatch("0[0-7]{1,9}", digits):
        return f"write {int(digits)}, or {int(digits, 8)} where an octal number is meant", None
    for pattern, base in (("(0|[1-9][0-9]{0,9})", 10), ("0o[0-7]{1,9}", 8), ("0x[0-9a-fA-F]+", 16)):
        if re.fullmatch(pattern, digits) and len(digits) <= MAX_DIGITS:
            return decimal, str(int(digits, base))
    return decimal, None


Whole = BeforeValidator(_whole)
"""Accepts 3.0 as 3, as JSON Schema does, for an integer that is otherwise strict."""
OneLine = Matching(ONE_LINE, "write it without control characters and line breaks")
Text = Annotated[str, Matching(NO_NUL, "write it without NUL")]
"""Any text that PostgreSQL can store; pydantic accepts no lone surrogates."""
