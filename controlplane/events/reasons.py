"""Why a person asked for something: required where an operator interferes, kept with the event."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from blueprint.fields import NOT_BLANK, Matching

Reason = Annotated[
    str,
    Field(max_length=500),
    Matching(NOT_BLANK, "give a reason in one line, without control characters"),
]
