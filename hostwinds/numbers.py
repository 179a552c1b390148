"""Numbers that an operator sets in the environment."""

from __future__ import annotations

import math
from collections.abc import Mapping

from hostwinds.faults import BAD_NUMBER


def number(environment: Mapping[str, str], name: str, default: float) -> float:
    """Return a number that is not negative; raises BAD_NUMBER."""
    text = environment.get(name, "").strip()
    try:
        value = float(text) if text else default
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise BAD_NUMBER(name=name, value=text)
    return value
