"""A number in the environment is read, or refused by its name."""

from __future__ import annotations

import pytest

from hostwinds.faults import BAD_NUMBER
from hostwinds.numbers import number
from hostwinds.purchase import Deadlines
from tests.support.faults import fault_shown


@pytest.mark.parametrize(("text", "value"), [("10", 10), ("0", 0), ("5e-1", 0.5), ("", 7)])
def test_number_is_read(text: str, value: float) -> None:
    assert number({"HOSTWINDS_PRICE_TOLERANCE": text}, "HOSTWINDS_PRICE_TOLERANCE", 7) == value


@pytest.mark.parametrize(
    "text",
    [
        *("ten", "-1", "nan", "inf", "10%", "1,5"),
        *("1_0", "010", " 5 ", "+5", "\u0665", "0x10", ".5", "5.", "true"),
    ],
)
def test_text_that_is_no_number_is_refused(text: str) -> None:
    with fault_shown(BAD_NUMBER, name="HOSTWINDS_POLL", value=text):
        Deadlines.from_environment({"HOSTWINDS_POLL": text})
