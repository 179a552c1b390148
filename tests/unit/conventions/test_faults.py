"""Every declared code is shown to a user in a test, or listed with the reason why not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from kit.faults import Code
from kit.paths import checkout
from sandbox.reference.errors import TABLES

DECLARED = {code.name: code for table in TABLES for code in table}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
NOT_SHOWN: dict[str, str] = {
    "database.too_old": "needs a PostgreSQL of another version",
}
"""Codes that no test shows to a user, with the reason."""


def test_codes_of_all_rooms_have_different_names() -> None:
    assert len(DECLARED) == sum(len(list(table)) for table in TABLES)


def test_codes_have_different_reasons() -> None:
    assert len({code.reason for code in DECLARED.values()}) == len(DECLARED)


@pytest.mark.parametrize("code", DECLARED.values(), ids=str)
def test_code_is_written_like_the_others(code: Code) -> None:
    shown = code.shown()
    assert not shown.message.endswith((".", "!"))
    assert not shown.remedy.endswith((".", "!"))
    assert code.cause.endswith(".")


def test_every_code_is_shown_in_a_test_or_listed_with_its_reason() -> None:
    shown = {code.name for path in _tests() for code in _asserted(path)}
    assert set(DECLARED) - shown == set(NOT_SHOWN)


def test_codes_that_pages_name_are_declared() -> None:
    pages = [*checkout().glob("*.md"), *(checkout() / "docs").glob("*.md")]
    families = {name.partition(".")[0] for name in DECLARED}
    named = {
        (page.name, code)
        for page in pages
        for code in re.findall(r"`(?:error\[)?([a-z]+\.[a-z_]+)\]?`", page.read_text())
        if code.partition(".")[0] in families and not code.endswith((".env", ".json"))
    }
    assert {(page, code) for page, code in named if code not in DECLARED} == set()


def _tests() -> list[Path]:
    return [path for path in (checkout() / "tests").rglob("test_*.py") if path != Path(__file__)]


def _asserted(path: Path) -> Iterator[Code]:
    """Yield the codes that a test file asserts to be shown.

    These are in the arguments of an assertion, or, where that takes a variable, in a table: a
    decorator or a value of the module. Executed assertions are known only after a complete run.
    """
    tree = ast.parse(path.read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _asserts(node)]
    resolve = _Imports(tree)
    by_variable = False
    for call in calls:
        codes = list(resolve.codes(*call.args))
        by_variable = by_variable or not codes
        yield from codes
    if by_variable:
        tables = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
        functions = [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]
        yield from resolve.codes(
            *tables, *(d for function in functions for d in function.decorator_list)
        )


def _asserts(call: ast.Call) -> bool:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    return name.startswith("assert_show") or name == "fault_shown"


class _Imports:
    """Finds the codes that expressions of a module name."""

    def __init__(self, tree: ast.Module) -> None:
        self._imported = {
            alias.asname or alias.name: (node.module, alias.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module
            for alias in node.names
        }

    def codes(self, *expressions: ast.AST) -> Iterator[Code]:
        for node in (node for expression in expressions for node in ast.walk(expression)):
            if isinstance(node, ast.Name):
                module, name = self._imported.get(node.id, ("", ""))
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                package, module = self._imported.get(node.value.id, ("", ""))
                module, name = f"{package}.{module}", node.attr
            else:
                continue
            if module.endswith(".faults"):
                value = getattr(import_module(module), name, None)
                if isinstance(value, Code):
                    yield value
