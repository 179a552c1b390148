"""The reason for an intervention: required of an operator, and stored with the event."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from blueprint.fields import NOT_BLANK, Matching

Reason = Annotated[
    str,
    Field(max_length=500),
    Matching(NOT_BLANK, "give a reason in one line, without control characters"),
]
