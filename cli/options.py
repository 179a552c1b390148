"""Numbers as values of options: read by the rule of documents, refused with what to write."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from typer._click.exceptions import BadParameter, ClickException  # typer vendors click

from blueprint import shape
from blueprint.fields import Count, NotMatching, Real
from cli.faults import USAGE
from kit.faults import Violation

whole_number = TypeAdapter(Count).validate_python
positive_number = TypeAdapter(Annotated[Count, Field(ge=1)]).validate_python
real_number = TypeAdapter(Real).validate_python
"""For `parser=` of an option."""
PRICE = re.compile(r"(0|[1-9][0-9]{0,5})(\.[0-9]{1,2})?")


def cents_of(price: str) -> int:
    """Return the US cents of a price: 4599 of `45.99`."""
    if not PRICE.fullmatch(price):
        raise USAGE(mistake=f"{price} is not a price", remedy="write US dollars as 45.99")
    dollars, _, cents = price.partition(".")
    return int(dollars) * 100 + int(cents.ljust(2, "0"))


def refusal(error: ClickException) -> Violation | None:
    """Return why one of these functions refused a value; None for any other error."""
    cause = error.__cause__
    if not isinstance(error, BadParameter) or not isinstance(cause, ValidationError):
        return None
    detail = cause.errors(include_url=False)[0]
    reason = detail.get("ctx", {}).get("error")
    if error.param is None or (reason is not None and not isinstance(reason, NotMatching)):
        return None
    ((_, violation),) = shape.violations([{**detail, "loc": (error.param.opts[0],)}], BaseModel)
    return violation
