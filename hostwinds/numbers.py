"""Numbers that an operator sets in the environment."""

from __future__ import annotations

from collections.abc import Mapping

from hostwinds.faults import BAD_NUMBER
from kit import numbers


def number(environment: Mapping[str, str], name: str, default: float) -> float:
    """Return a number that is not negative; raises BAD_NUMBER."""
    text = environment.get(name, "")
    value = numbers.number(text) if text else default
    if value is None or value < 0:
        raise BAD_NUMBER(name=name, value=text)
    return value
