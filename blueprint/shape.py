"""Turns validation errors of pydantic into violations."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel

from blueprint.faults import INVALID_VALUE, MISSING_KEY, UNKNOWN_KEY, Located, Path, dotted
from blueprint.fields import RuleBroken
from blueprint.mail_address import meant_domain
from blueprint.tenant import (
    DOMAIN_PATTERN,
    LABEL_KEY_PATTERN,
    LABEL_PATTERN,
    LABEL_VALUE_PATTERN,
)

WHOLE = "the document"
PATTERNS = {
    LABEL_PATTERN: "a name of at most 30 lower-case letters, digits and hyphens, "
    "beginning with a letter and not ending with a hyphen",
    DOMAIN_PATTERN: "a full domain name in lower case without a final dot, "
    "other letters in Punycode (xn--…)",
    LABEL_KEY_PATTERN: "at most 63 letters, digits, '-', '_' and '.', beginning and ending with a "
    "letter or digit; a domain name and '/' may come before",
    LABEL_VALUE_PATTERN: "at most 63 letters, digits, '-', '_' and '.', beginning and ending with "
    "a letter or digit, or an empty text",
}
MAPPING = "a mapping: keys with their values below it or in braces"
TIME = "a time with its offset from UTC, such as 2026-11-24T12:00:00Z"
SHAPES = {
    "model_type": MAPPING,
    "model_attributes_type": MAPPING,
    "dict_type": MAPPING,
    "tuple_type": "a list: items below it, each after a hyphen, or in brackets",
    "string_type": "a text; quote it if it looks like a number, a date or a yes",
    "string_too_long": "a text of at most {max_length} characters",
    "int_type": "a whole number without quotes",
    "too_short": "a list with at least one item",
    "datetime_type": TIME,
    "datetime_parsing": TIME,
    "datetime_from_date_parsing": TIME,
    "timezone_aware": TIME,
}
"""By pydantic's type of error; braces are filled from its context."""

Detail = Mapping[str, Any]


def violations(details: Sequence[Detail], model: type[BaseModel]) -> list[Located]:
    """Return pydantic's errors for `model` as violations of the document."""
    # A list whose items are wrong is also "too short" to pydantic; that is redundant.
    inner = {tuple(detail["loc"][:n]) for detail in details for n in range(1, len(detail["loc"]))}
    return [
        _violation(detail, model)
        for detail in details
        if detail["type"] != "too_short" or tuple(detail["loc"]) not in inner
    ]


def _violation(detail: Detail, model: type[BaseModel]) -> Located:
    path: Path = tuple(detail["loc"])
    key = path[-1] if path else WHOLE
    if key == "[key]":  # pydantic adds this for the key of a mapping
        path = path[:-1]
        key = f"a key of {path[-2]}"
    if detail["type"] == "extra_forbidden":
        valid = _valid_keys(model, path[:-1])
        nearest = difflib.get_close_matches(str(key), valid, n=1, cutoff=0.5)
        return path, UNKNOWN_KEY.violation(
            path=dotted(path),
            suggestion=nearest[0] if nearest else None,
            key=key,
            remedy=f"did you mean {nearest[0]}?" if nearest else f"use one of: {', '.join(valid)}",
        )
    if detail["type"] == "missing":
        return path, MISSING_KEY.violation(path=dotted(path), key=key)
    error = detail.get("ctx", {}).get("error")
    if isinstance(error, RuleBroken):
        path += error.path
        return path, error.code.violation(path=dotted(path), **error.values)
    suggestion = _suggestion(detail)
    return path, INVALID_VALUE.violation(
        path=dotted(path),
        suggestion=suggestion,
        key=key,
        value=abbreviated(detail["input"]),
        remedy=_expected(detail) + (f"; did you mean {suggestion}?" if suggestion else ""),
    )


def _expected(detail: Detail) -> str:
    """Return what a value should be, in terms of the document."""
    kind, rule = detail["type"], detail.get("ctx", {})
    if kind == "value_error":
        return str(rule["error"])
    if kind == "string_pattern_mismatch":
        pattern = str(rule["pattern"])
        expected = PATTERNS.get(pattern, f"a text like {pattern}")
    else:
        text = str(detail["msg"]).removeprefix("Input should be ")
        expected = SHAPES[kind].format(**rule) if kind in SHAPES else text
    return f"it should be {expected}"


def _suggestion(detail: Detail) -> str | None:
    """Return the text that was probably meant."""
    text, rule = detail["input"], detail.get("ctx", {})
    if rule.get("pattern") != DOMAIN_PATTERN or not isinstance(text, str):
        return getattr(rule.get("error"), "suggestion", None)
    candidate = meant_domain(text)
    return candidate if candidate and re.fullmatch(DOMAIN_PATTERN, candidate) else None


def abbreviated(value: object) -> str:
    """Print a value, truncated if it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _valid_keys(model: type[BaseModel], path: Path) -> list[str]:
    """Return the keys of a document of `model` at a path."""
    for step in path:
        if isinstance(step, int):
            continue
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        inner = _model_of(fields[step].annotation) if step in fields else None
        if inner is None:
            return []
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        nested = _model_of(argument)
        if nested is not None:
            return nested
    return None
