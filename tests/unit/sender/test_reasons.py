"""Every reason that the sender gives is in the table, with its meaning."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from kit.paths import checkout
from sandbox.reference import reasons as page
from sender import reasons
from sender.reasons import REASONS, Reason, Table
from sender.schemas import State

SENDER = checkout() / "sender"
CODE = re.compile(r"[a-z]+(_[a-z]+)*")
IN_SQL = re.compile(r"(?<!_setting\()(?<!set_config\()'([a-z]+(?:_[a-z]+)+)'")
ARGUMENTS = {
    "Credit": 1,
    "Outcome": 1,
    "Unreachable": 0,
    "Unsendable": 0,
    "_broken": 0,
    "_later": 1,
    "_never": 0,
    "_none": 0,
    "_retry_later": 1,
    "_tomorrow": 1,
    "broken_off": 0,
    "fail": 0,
    "put_back": 2,
}
"""Which argument of a call is a reason."""
NOT_REASONS = {state.value for state in State} | {"unsubscribed"}
"""States, and why a recipient is suppressed."""


def used() -> dict[str, str]:
    """Return each code that is given as a reason, with a file that does."""
    found: dict[str, str] = {}
    for path in sorted(SENDER.rglob("*.py")):
        if "migrations" not in path.parts:
            for expression in _reasons(ast.parse(path.read_text())):
                found |= dict.fromkeys(_codes(expression), str(path.relative_to(SENDER)))
    for path in SENDER.rglob("queries.sql"):
        found |= dict.fromkeys(IN_SQL.findall(path.read_text()), str(path.relative_to(SENDER)))
    return {code: where for code, where in found.items() if code not in NOT_REASONS}


def _reasons(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            yield from (k.value for k in node.keywords if k.arg == "reason")
            index = ARGUMENTS.get(name)
            if index is not None and index < len(node.args):
                yield node.args[index]
        elif isinstance(node, ast.Assign):
            names = {ast.unparse(target) for target in node.targets}
            if "reason" in names:
                yield node.value


def _codes(expression: ast.expr) -> Iterator[str]:
    """Yield the texts that an expression can be, not those that it compares."""
    if isinstance(expression, ast.Constant) and isinstance(expression.value, str):
        if CODE.fullmatch(expression.value):
            yield expression.value
    elif isinstance(expression, ast.IfExp):
        yield from _codes(expression.body)
        yield from _codes(expression.orelse)


def test_no_reason_is_given_that_is_not_in_the_table() -> None:
    assert {code: where for code, where in used().items() if REASONS.get(code) is None} == {}


@pytest.mark.parametrize("reason", list(REASONS), ids=str)
def test_reason_is_written_like_the_others(reason: Reason) -> None:
    assert CODE.fullmatch(reason.code)
    for text in (reason.words, reason.release):
        assert not text.endswith(".")
        assert text == "" or text[0].islower() or text[0] == "`" or text.startswith("DNS")


def test_page_has_every_reason() -> None:
    shown = page.page()
    assert all(f"| `{reason.code}` | {reason.words} |" in shown for reason in REASONS)


def test_reason_is_declared_once() -> None:
    table = Table()
    table.add("stopped", "mail is stopped", reasons.USER)
    with pytest.raises(ValueError, match="stopped is declared twice"):
        table.add("stopped", "again", reasons.USER)
