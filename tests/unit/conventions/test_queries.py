"""SQL is in `queries.sql` files, and code and files agree on the names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from setuptools import find_packages

from kit.database import AdvisoryLock
from kit.paths import checkout
from kit.queries import Queries
from tests.support.queries import FILES, PROJECT, ROOMS

STATEMENT = re.compile(
    r"\s*(select .*\S|insert into|update \S+ set|delete from|with \w+ as|(create|drop|alter) "
    r"(table|schema|role|database))\b",
    re.IGNORECASE,
)
ELSEWHERE = {
    "composition/embedded.py": "creates the embedded server's databases",
    "controlplane/migrations/__init__.py": "creates roles and the schema",
    "kit/database.py": "asks which session answers",
    "sender/migrations/env.py": "creates the schema of its versions",
    "tools/servers/postgres.py": "checks whether the server answers",
}
"""Modules with SQL of their own, besides revisions of migrations."""


ADVISORY = re.compile(r"\bpg_(?:try_)?advisory\w*\(((?:[^,()]|\(\w+\))*)")
"""A call of one of PostgreSQL's functions for advisory locks, with its first argument."""


def names_used(package: Path) -> set[str]:
    """Return which attributes of `SQL` the modules of a package use."""
    return {
        node.attr
        for module in package.glob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "SQL"
    }


def strings(module: Path) -> Iterator[str]:
    """Return the text of each string in a module that is no docstring."""
    documentation: set[int] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Expr):
            documentation.add(id(node.value))  # which comes later
        elif isinstance(node, ast.Constant) and id(node) not in documentation:
            yield str(node.value)


def nodes_of(module: Path, *words: str) -> Iterator[ast.AST]:
    """Yield every node of a module that has one of the words."""
    text = module.read_text()
    if any(word in text for word in words):
        yield from ast.walk(ast.parse(text))


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(checkout()).parent))
def test_queries_of_a_file_are_those_that_its_package_uses(file: Path) -> None:
    assert set(Queries(str(file), str)) == names_used(file.parent)


def test_modules_hold_no_sql() -> None:
    modules = {
        str(module.relative_to(checkout()))
        for room in ROOMS
        for module in (checkout() / room).rglob("*.py")
        if "versions" not in module.parts and any(map(STATEMENT.match, strings(module)))
    }
    assert modules == set(ELSEWHERE)


def test_advisory_locks_are_numbered_by_the_enum_alone() -> None:
    first_arguments = {
        argument
        for room in ROOMS
        for file in (checkout() / room).rglob("*")
        if file.suffix in (".py", ".sql")
        for argument in ADVISORY.findall(file.read_text())
    }
    in_functions = {AdvisoryLock.QUOTA}
    assert first_arguments == {":lock", "%(lock)s", *map(str, map(int, in_functions))}
    bound = {
        ast.unparse(value)
        for room in ROOMS
        for module in (checkout() / room).rglob("*.py")
        for node in nodes_of(module, "lock")
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == "lock"
    }
    assert bound == {f"AdvisoryLock.{lock.name}" for lock in set(AdvisoryLock) - in_functions}


def test_connections_have_the_common_options() -> None:
    without = [
        f"{module.relative_to(checkout())}:{node.lineno}"
        for room in ROOMS
        for module in (checkout() / room).rglob("*.py")
        for node in nodes_of(module, "connect", "create_engine", "create_async_engine")
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("psycopg.connect", "create_engine", "create_async_engine")
        and not re.search(r"\bconnection_options\(|\*\*CONNECTION|=CONNECTION", ast.unparse(node))
    ]
    assert without == []


def test_queries_are_in_the_wheel() -> None:
    setuptools = PROJECT["tool"]["setuptools"]
    assert "*.sql" in setuptools["package-data"]["*"]
    packages = {
        package.replace(".", "/")
        for package in find_packages(checkout(), include=setuptools["packages"]["find"]["include"])
    }
    assert {str(file.parent.relative_to(checkout())) for file in FILES} <= packages
