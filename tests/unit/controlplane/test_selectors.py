"""Selectors are read as `kubectl` reads them, and others are refused quickly."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from controlplane.tenants.selectors import Requirement, SelectorText, read

CHECK = TypeAdapter(SelectorText).validate_python


def requirement(key: str, *values: str, negated: bool = False) -> Requirement:
    return Requirement(key, frozenset(values) or None, negated)


@pytest.mark.parametrize(
    ("text", "requirements"),
    [
        ("team=mail", [requirement("team", "mail")]),
        ("team == mail", [requirement("team", "mail")]),
        ("team!=mail", [requirement("team", "mail", negated=True)]),
        ("team", [requirement("team")]),
        ("! team", [requirement("team", negated=True)]),
        ("team=", [requirement("team", "")]),
        ("team in (a, b)", [requirement("team", "a", "b")]),
        ("team notin (a)", [requirement("team", "a", negated=True)]),
        (
            " x.example/tier in (1,2) , !old,in",
            [
                requirement("x.example/tier", "1", "2"),
                requirement("old", negated=True),
                requirement("in"),
            ],
        ),
    ],
)
def test_selector_is_read(text: str, requirements: list[Requirement]) -> None:
    assert list(read(CHECK(text))) == requirements


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", "a,", "=b", "a=b=c", "a in b", "a in (b", "a in b)", "a b", "a;b", "a\n"),
        *("!a=b", "é", "a =  ," * 150 + "!!", "a in (" + "b  ," * 200, "a" * 900 + "&"),
    ],
)
def test_text_that_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="write requirements"):
        CHECK(text)
