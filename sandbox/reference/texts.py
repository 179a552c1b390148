"""`make texts`: prints every text shown to users on one page, for review."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from kit.paths import checkout
from sandbox.reference import commands, errors

ROOMS = (
    "cli",
    "composition",
    "controlplane",
    "stacks",
    "hostwinds",
    "sender",
    "blueprint",
    "tools",
    "lab",
    "sandbox",
    "kit",
)
SENTENCE = re.compile(r"[A-Za-z}…] [A-Za-z{`]")
"""Adjacent words; names, paths and formats have none."""
SQL = re.compile(
    r"\b(select|insert into|update|delete from|create|grant|alter|where|values|order by|set)\b "
    r"|references |timestamptz|not null"
)
UNSEEN_CALLS = {"text", "debug", "info", "warning", "error", "exception", "execute", "compile"}
"""Calls whose texts go to the database or to the log."""
UNSEEN_FILES = ("migrations/", "reference/", "faults.py")
"""SQL, this page itself, and codes, which have a section of their own."""


def page() -> str:
    """Return commands with their help, codes, and all other sentences of the code, by file."""
    return f"{commands.page()}\n{errors.page()}\n{_sentences()}"


def _sentences() -> str:
    page = "# Other sentences: conditions, progress, events, results\n"
    for room in ROOMS:
        for path in sorted((checkout() / room).rglob("*.py")):
            name = str(path.relative_to(checkout()))
            if any(part in name for part in UNSEEN_FILES):
                continue
            texts = list(dict.fromkeys(_of_file(path)))
            if texts:
                page += f"\n## {name}\n\n" + "".join(f"- {text}\n" for text in texts)
    return page


def _of_file(path: Path) -> Iterator[str]:
    """Yield the texts of a file, values as braces; no docstrings, statements or log events."""
    tree = ast.parse(path.read_text())
    unseen = set(_unseen(tree))
    for node in ast.walk(tree):
        if node in unseen or not isinstance(node, ast.Constant | ast.JoinedStr):
            continue
        text = " ".join(_text(node).split())
        if SENTENCE.search(text) and not SQL.search(text):
            yield text


def _unseen(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield docstrings, parts of larger texts, and what goes to the database or the log."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield from (part for part in ast.walk(node) if part is not node)
        elif isinstance(node, ast.Call) and _name(node.func) in UNSEEN_CALLS:
            yield from ast.walk(node)


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _text(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    return "".join(
        str(part.value) if isinstance(part, ast.Constant) else f"{{{_value(part)}}}"
        for part in node.values
    )


def _value(part: ast.expr) -> str:
    value = part.value if isinstance(part, ast.FormattedValue) else part
    return ast.unparse(value).rpartition(".")[2][:24]


if __name__ == "__main__":
    print(page())
