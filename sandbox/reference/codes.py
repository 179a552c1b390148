"""The page of the error codes: found in the code, wherever one is given to an error."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from kit.paths import checkout
from sandbox.reference.errors import TABLES

ROOMS = (
    "blueprint",
    "vault",
    "hostwinds",
    "stacks",
    "controlplane",
    "sender",
    "composition",
    "cli",
    "lab",
    "sandbox",
    "tools",
    "kit",
)
FAMILIES = {
    "api": "The command line asks the control plane",
    "auth": "Keys of the API",
    "authority": "Credentials and certificates for submission",
    "cloud": "One run of the Pulumi program",
    "cloudflare": "What Cloudflare answers",
    "compose": "Writing a mail",
    "context": "What the command line knows of the control plane",
    "database": "PostgreSQL and its schemas",
    "delete": "`penguin delete`",
    "demo": "`penguin demo`",
    "dns": "Records, as written and as seen from outside",
    "document": "Tenant files and request bodies",
    "domain": "Domains, of which each belongs to one tenant",
    "engine": "The Pulumi engine on this machine",
    "file": "Files that `-f` and `--to` name",
    "hosts": "Configuring hosts",
    "hostwinds": "What Hostwinds answers, and the purchase journal",
    "idempotency": "Requests that are sent again",
    "init": "`penguin init`",
    "lab": "The Internet on this machine",
    "logs": "`penguin logs`",
    "message": "Messages in the API",
    "operation": "Operations in the API",
    "queue": "The sender's queue",
    "request": "Requests that the API cannot read",
    "send": "`penguin send`",
    "sender": "The sender",
    "serve": "`penguin serve`",
    "servers": "The embedded PostgreSQL and Valkey",
    "settings": "Settings",
    "setup": "`make setup`",
    "smtp": "Hosts, as their mail ports look from outside",
    "stack": "The Pulumi program by hand",
    "tenant": "The tenant document, and tenants in the API",
    "token": "Return paths and unsubscribe links",
    "vault": "The key ring and what it sealed",
    "wait": "`penguin wait`",
    "world": "`make up`, `make demo`",
}
"""The first halves of codes with what they are about; a new one is added here."""

CODE = re.compile(r"([a-z]+)\.([a-z][a-z_]*)")
SUFFIXES = {"json", "log", "env", "keys", "txt", "conf", "example", "md"}
LOGGING = {"debug", "info", "warning", "error", "exception", "critical"}
HEAD = """
# Codes that are not in a table yet
"""


def page() -> str:
    """List every code that no table declares, with the words that go with it."""
    text, families = HEAD, defaultdict(list)
    declared = {code.name for table in TABLES for code in table}
    for code, words in sorted(found().items()):
        if code in declared:
            continue
        families[code.partition(".")[0]].append(f"| `{code}` | {words} |\n")
    for family, rows in families.items():
        text += f"\n## {family}\n\n{FAMILIES[family]}.\n\n| Code | Says, or asks for |\n|---|---|\n"
        text += "".join(rows)
    return text


def found() -> dict[str, str]:
    """Return every code of every room with its words, where they can be told from the code."""
    codes: dict[str, str] = {}
    for room in ROOMS:
        for path in sorted((checkout() / room).rglob("*.py")):
            for code, words in _of_file(path):
                codes[code] = codes.get(code) or words
    return codes


def _of_file(path: Path) -> Iterator[tuple[str, str]]:
    tree = ast.parse(path.read_text())
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and is_code(node.value):
            parent = parents[node]
            if not _is_of_the_log(parent):
                yield str(node.value), _words(node, parent, parents.get(parent))


def is_code(value: object) -> bool:
    """Tell a code from the names of files and modules that look like one."""
    match = CODE.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[1] not in FAMILIES or match[2] in SUFFIXES or match[2][-1] == "_":
        return False
    return (
        not (checkout() / match[1] / match[2]).with_suffix(".py").exists()
        and not (checkout() / match[1] / match[2]).is_dir()
    )


def _is_of_the_log(parent: ast.AST) -> bool:
    """An event of the log is named like a code and is none."""
    function = parent.func if isinstance(parent, ast.Call) else None
    return isinstance(function, ast.Attribute) and function.attr in LOGGING


def _words(code: ast.Constant, parent: ast.AST, grandparent: ast.AST | None) -> str:
    """Return the message beside a code, or the docstring of the error that has it."""
    if isinstance(parent, ast.Assign | ast.AnnAssign) and isinstance(grandparent, ast.ClassDef):
        return (ast.get_docstring(grandparent) or "").split("\n\n")[0].replace("\n", " ")
    beside: list[ast.expr] = []
    if isinstance(parent, ast.Call):
        beside = parent.args + [word.value for word in parent.keywords if word.arg == "message"]
    elif isinstance(parent, ast.Tuple):
        beside = parent.elts
    after = beside[beside.index(code) + 1 :] if code in beside else []
    said = next((text for text in map(_text, after) if " " in text), "")
    return said.replace("|", "/").replace("\n", " ")


def _text(node: ast.expr) -> str:
    """Return a message with its variable parts in braces."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "{…}" for part in node.values
        )
    return ""
