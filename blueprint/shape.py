"""Turns validation errors of pydantic into violations."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel

from blueprint.faults import (
    INVALID_VALUE,
    MISSING_KEY,
    NO_VALUE,
    UNKNOWN_KEY,
    Located,
    Path,
    abbreviated,
    dotted,
)
from blueprint.fields import RuleBroken

WHOLE = "the document"
MAPPING = "a mapping: keys with their values below it or in braces"
LIST = "a list: items below it, each after a hyphen, or in brackets"
WHOLE_NUMBER = "a whole number in decimal digits"
TIME = "a time with its offset from UTC, such as 2026-11-24T12:00:00Z"
ID = "an id such as 0199b1c2-0000-7000-8000-000000000001"
SHAPES = {
    "missing": "set",
    "model_type": MAPPING,
    "model_attributes_type": MAPPING,
    "dict_type": MAPPING,
    "tuple_type": LIST,
    "list_type": LIST,
    "set_type": LIST,
    "frozen_set_type": LIST,
    "too_short": "a list with at least one item",
    "too_long": "a list of at most {max_length} items",
    "string_type": "a text",
    "string_too_short": "a text of at least {min_length} characters",
    "string_too_long": "a text of at most {max_length} characters",
    "string_unicode": "a text of Unicode characters, without single surrogates",
    "int_type": WHOLE_NUMBER,
    "int_parsing": WHOLE_NUMBER,
    "int_parsing_size": WHOLE_NUMBER,
    "int_from_float": WHOLE_NUMBER,
    "finite_number": WHOLE_NUMBER,
    "greater_than": "more than {gt}",
    "less_than": "less than {lt}",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "{le} or less",
    "enum": "{expected}",
    "literal_error": "{expected}",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "uuid_type": ID,
    "uuid_parsing": ID,
    "datetime_type": TIME,
    "datetime_parsing": TIME,
    "datetime_from_date_parsing": TIME,
    "datetime_object_invalid": TIME,
    "timezone_aware": TIME,
}
"""By pydantic's type of error; braces are filled from its context."""
OTHER = "as the reference of the document or of the API describes it"

Detail = Mapping[str, Any]


def violations(
    details: Sequence[Detail], model: type[BaseModel], words: Mapping[Path, str] | None = None
) -> list[Located]:
    """Return pydantic's errors for `model` as violations of the document.

    `words` are values as they stand in a file.
    """
    # A list whose items are wrong is also "too short" to pydantic; that is redundant.
    inner = {tuple(detail["loc"][:n]) for detail in details for n in range(1, len(detail["loc"]))}
    return [
        _violation(detail, model, words or {})
        for detail in details
        if detail["type"] != "too_short" or tuple(detail["loc"]) not in inner
    ]


def _violation(detail: Detail, model: type[BaseModel], words: Mapping[Path, str]) -> Located:
    path: Path = tuple(detail["loc"])
    key, written = _key(path), words.get(path)
    if path and path[-1] == "[key]":  # pydantic adds this for the key of a mapping
        path = path[:-1]
        key = f"a key of {path[-2]}"
    if detail["type"] == "extra_forbidden":
        valid = _valid_keys(model, path[:-1])
        nearest = difflib.get_close_matches(str(key), valid, n=1, cutoff=0.7)
        return path, UNKNOWN_KEY.violation(
            path=dotted(path),
            suggestion=nearest[0] if nearest else None,
            key=key if key.isprintable() and key else json.dumps(key),
            remedy=f"did you mean {nearest[0]}?" if nearest else f"use one of: {', '.join(valid)}",
        )
    if detail["type"] == "missing":
        return path, MISSING_KEY.violation(path=dotted(path), key=key)
    error = detail.get("ctx", {}).get("error")
    if isinstance(error, RuleBroken):
        path += error.path
        return path, error.code.violation(path=dotted(path), **error.values)
    if detail["input"] is None:
        return path, NO_VALUE.violation(path=dotted(path), key=key, remedy=expected(detail))
    return path, INVALID_VALUE.violation(
        path=dotted(path),
        suggestion=getattr(error, "suggestion", None),
        key=key,
        value=abbreviated(written or as_json(detail["input"])),
        remedy=expected(detail),
    )


def _key(path: Path) -> str:
    """Return the last key of a path with the indices after it: `hosts[0]`."""
    keys = [index for index, step in enumerate(path) if isinstance(step, str)]
    return dotted(path[keys[-1] if keys else 0 :]) or WHOLE


def expected(detail: Detail) -> str:
    """Return what a value should be, and the one that is probably meant."""
    kind, rule = detail["type"], detail.get("ctx", {})
    if kind == "value_error":
        suggestion = getattr(rule["error"], "suggestion", None)
        return str(rule["error"]) + (f"; did you mean {suggestion}?" if suggestion else "")
    if kind in ("too_short", "too_long") and isinstance(detail["input"], str):
        kind = f"string_{kind}"  # pydantic no longer knows what a text is behind our own checks
    shape = SHAPES.get(kind, OTHER).format(**rule)
    if kind in ("enum", "literal_error"):
        shape = shape.replace("'", "")
    return f"it should be {shape}"


def as_json(value: object) -> str:
    """Return a value as it is written in JSON."""
    return json.dumps(value, ensure_ascii=False, default=str)


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
