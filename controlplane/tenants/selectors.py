"""Selectors of tenants by their labels, as `kubectl` writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from blueprint.fields import Matching

KEY, VALUE = "[A-Za-z0-9._/-]+", "([A-Za-z0-9._-]+ *)?"
SET = rf"\( *{VALUE}(, *{VALUE})*\)"
REQUIREMENT = rf" *(! *{KEY} *|{KEY} *|{KEY} *(==|=|!=) *{VALUE}|{KEY} +(in|notin) *{SET} *)"
"""No text matches in two ways, so that a long one is refused quickly."""
SELECTOR = rf"^{REQUIREMENT}(,{REQUIREMENT})*$"
PARTS = re.compile(
    rf"(?P<absent>! *)?(?P<key>{KEY}) *((?P<operator>==|=|!=|in|notin) *(?P<values>.*))?"
)
NEGATIONS = ("!=", "notin")

SelectorText = Annotated[
    str,
    Matching(
        SELECTOR,
        "write requirements with commas between them: `team=mail`, `team!=mail`, "
        "`team in (mail, web)`, `team notin (mail, web)`, `team`, `!team`",
    ),
]


@dataclass(frozen=True)
class Requirement:
    """One requirement: the values that a label may have, or with `negated` may not."""

    key: str
    values: frozenset[str] | None
    """None: any."""
    negated: bool
    """It is met by tenants without the label, too."""


def read(text: str) -> Iterator[Requirement]:
    """Yield the requirements of a text, which all must be met; ValueError for another form."""
    for part in re.findall(r"(?:[^,(]|\([^)]*\))+", text):
        match = PARTS.fullmatch(part.strip())
        if match is None:
            raise ValueError(part)
        operator, values = match["operator"], None
        if operator is not None:
            values = frozenset(value.strip() for value in match["values"].strip("()").split(","))
        negated = match["absent"] is not None or operator in NEGATIONS
        yield Requirement(match["key"], values, negated)


def parameters(requirements: Sequence[Requirement]) -> dict[str, Any]:
    """Return the requirements as the parameters of a query; an index knows `equal`, `present`."""
    positive = [each for each in requirements if not each.negated]
    negative = [each for each in requirements if each.negated]
    single = {
        each.key: min(each.values) for each in positive if each.values and len(each.values) == 1
    }
    return {
        "equal": json.dumps(single),
        "present": [each.key for each in positive],
        "among": _sets(positive),
        "absent": [each.key for each in negative if each.values is None],
        "excluded": _sets(negative),
    }


def _sets(requirements: Sequence[Requirement]) -> str:
    return json.dumps([[each.key, sorted(each.values)] for each in requirements if each.values])
