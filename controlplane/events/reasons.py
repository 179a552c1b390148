"""Why a person asked for something: required where an operator interferes, kept with the event."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from controlplane.database import storable

Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500),
    AfterValidator(storable),
]
