"""Bodies of the API: an object whose fields have types.

A field that is not listed is refused; Mailu ignores it in silence.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from lab.mailu.admin.messages import JSON, Aborted, Invalid, Request
from lab.mailu.admin.store import Document

STRING, INTEGER, BOOLEAN, STRINGS = "string", "integer", "boolean", "array"
TYPES: dict[str, tuple[type, ...]] = {
    STRING: (str,),
    INTEGER: (int,),
    BOOLEAN: (bool,),
    STRINGS: (list,),
}


@dataclass(frozen=True)
class Field:
    """The rule for one field."""

    type: str
    required: bool = False
    minimum: int | None = None


Fields = dict[str, Field]


def strings(*names: str, required: bool = False) -> Fields:
    """Return fields that are texts."""
    return {name: Field(STRING, required) for name in names}


def booleans(*names: str) -> Fields:
    """Return fields that are true or false."""
    return {name: Field(BOOLEAN) for name in names}


def document_of(request: Request, fields: Fields) -> Document:
    """Return the body of a request."""
    if request.headers.get_content_type() != JSON:
        raise Aborted(415, "The content type is not application/json")
    try:
        body = json.loads(request.body)
    except ValueError:
        raise Aborted(400, "The body is not JSON") from None
    if not isinstance(body, dict):
        raise Invalid({"": f"{json.dumps(body)} is not of type 'object'"})
    if errors := faults_of(body, fields):
        raise Invalid(errors)
    return body


def faults_of(body: Document, fields: Fields) -> dict[str, str]:
    """Return what is wrong with each field of an object."""
    errors = {
        name: f"{name!r} is a required property"
        for name, field in fields.items()
        if field.required and name not in body
    }
    for name, value in body.items():
        if name not in fields:
            errors[name] = "the stand-in knows no such field"
        elif fault := _fault(value, fields[name]):
            errors[name] = fault
        elif fields[name].type == STRINGS:
            errors |= {
                f"{name}.{index}": f"{item!r} is not of type 'string'"
                for index, item in enumerate(value)
                if not isinstance(item, str)
            }
    return errors


def _fault(value: Any, field: Field) -> str:
    wrong = not isinstance(value, TYPES[field.type])
    if wrong or (field.type == INTEGER and isinstance(value, bool)):
        return f"{value!r} is not of type {field.type!r}"
    if field.minimum is not None and value < field.minimum:
        return f"{value} is less than the minimum of {field.minimum}"
    return ""
