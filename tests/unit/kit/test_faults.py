"""Fault codes: their text for each interface, and the checks of their declaration."""

from __future__ import annotations

import pytest

from kit.faults import Actor, Code, Fault, Table, line

TABLE = Table("test")
MISSING = TABLE.code(
    "thing.missing",
    message="there is no {name}",
    remedy="`penguin get {kind}` lists them",
    cause="The name is wrong.",
    example={"name": "acme", "kind": "tenants"},
    status=404,
    acts=Actor.USER,
)


def test_fault_values_given_fills_message_and_remedy() -> None:
    fault = MISSING(name="nope", kind="hosts", where="spec.hosts")
    assert (str(fault), fault.remedy) == ("there is no nope", "`penguin get hosts` lists them")
    assert fault.sentence == "spec.hosts: there is no nope; `penguin get hosts` lists them"
    assert line(fault) == "[thing.missing] there is no nope; do: `penguin get hosts` lists them"


def test_fault_place_known_is_not_overwritten() -> None:
    assert MISSING(name="a", kind="b", where="first").at("second").where == "first"
    assert MISSING(name="a", kind="b").at("second").where == "second"


def test_fault_value_missing_is_refused() -> None:
    with pytest.raises(KeyError):
        MISSING(name="nope")


def test_code_example_incomplete_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="must give"):
        Code("a.b", "there is no {name}", "", "cause")


def test_code_name_taken_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="twice"):
        TABLE.code("thing.missing", message="m", remedy="r", cause="c")


def test_code_class_given_raises_it() -> None:
    class Lost(Fault):
        pass

    lost = Table("other").code("a.lost", message="m", remedy="r", cause="c", raises=Lost)
    assert isinstance(lost(), Lost)


def test_code_name_becomes_a_reason() -> None:
    assert MISSING.reason == "ThingMissing"
    assert MISSING.shown().message == "there is no acme"
    assert (TABLE.get("thing.missing"), TABLE.get("thing.other")) == (MISSING, None)
