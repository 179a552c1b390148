"""Writes docs/reference from the code, so that it cannot say anything else than the code does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import typer
from pydantic import BaseModel

from blueprint import tenant
from cli.main import COMMANDS
from tools.places import checkout

ROOMS = (
    "blueprint",
    "vault",
    "hostwinds",
    "stacks",
    "controlplane",
    "sender",
    "cli",
    "lab",
    "tools",
)
CODE = re.compile(r"[a-z]+\.[a-z_]+")
NOTICE = "<!-- Written by `make docs` from the code. -->\n\n"


def main() -> None:
    """Write every page."""
    place = checkout() / "docs" / "reference"
    place.mkdir(exist_ok=True)
    for name, text in (("tenant", tenant_page()), ("cli", cli_page()), ("errors", errors_page())):
        (place / f"{name}.md").write_text(NOTICE + text)


def tenant_page() -> str:
    """Describe the tenant document, field by field."""
    text = "# Tenant file\n\nA YAML or JSON document; unknown keys are errors.\n"
    for model in _models(tenant.Tenant):
        text += f"\n## {model.__name__}\n\n{(model.__doc__ or '').strip()}\n\n"
        text += "| Key | Type | Default |\n|---|---|---|\n"
        for name, field in model.model_fields.items():
            default = "required" if field.is_required() else f"`{_default(field)}`"
            text += f"| `{field.alias or name}` | {_type(field.annotation)} | {default} |\n"
    return text


def cli_page() -> str:
    """Describe every command with its options."""
    text = "# Commands\n\n`penguin COMMAND --help` says the same.\n"
    for name, (module, line) in COMMANDS.items():
        text += f"\n## penguin {name}\n\n{line}.\n\n"
        command: Any = typer.main.get_command(import_module(module).app)
        for sub, found in (getattr(command, "commands", None) or {"": command}).items():
            usage = f"penguin {name} {sub}".strip() + _options(found)
            help_ = (found.help or "").strip().split("\n")[0]
            text += f"- `{usage}`: {help_}\n"
    return text


def errors_page() -> str:
    """List every stable error code with the first words that go with it."""
    rows = sorted({(code, words) for room in ROOMS for code, words in _codes(checkout() / room)})
    text = "# Error codes\n\nStable: scripts may rely on them.\n\n| Code | Example |\n|---|---|\n"
    seen: set[str] = set()
    for code, words in rows:
        if code not in seen:
            seen.add(code)
            text += f"| `{code}` | {words.replace('|', '/')} |\n"
    return text


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for found in _inner(field.annotation):
            yield from _models(found)


def _inner(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _inner(argument)


def _type(annotation: Any) -> str:
    arguments = [argument for argument in get_args(annotation) if argument is not type(None)]
    if annotation in (str, int):
        return "text" if annotation is str else "number"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.__name__
    if isinstance(annotation, type) and hasattr(annotation, "__members__"):
        return ", ".join(f"`{member}`" for member in annotation.__members__.values())
    if getattr(annotation, "__origin__", None) is tuple:
        return f"list of {_type(arguments[0])}"
    if arguments and all(isinstance(argument, str) for argument in arguments):
        return " or ".join(f"`{argument}`" for argument in arguments)
    return _type(arguments[0]) if arguments else "text"


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "{}"
    return "none" if value is None else "[]" if value == () else str(value)


def _options(command: Any) -> str:
    words = ""
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            words += f" {str(parameter.name).upper()}"
        elif parameter.name != "help":
            words += f" [{parameter.opts[0]}]"
    return words


def _codes(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and len(node.args) > 1:
                code, words = node.args[0], node.args[1]
                if isinstance(code, ast.Constant) and CODE.fullmatch(str(code.value)):
                    yield str(code.value), _words(words)
            if isinstance(node, ast.Tuple) and len(node.elts) > 1:
                code, words = node.elts[0], node.elts[1]
                if isinstance(code, ast.Constant) and CODE.fullmatch(str(code.value)):
                    yield str(code.value), _words(words)
            if isinstance(node, ast.ClassDef):
                for line in node.body:
                    if (
                        isinstance(line, ast.Assign)
                        and getattr(line.targets[0], "id", "") == "code"
                        and isinstance(line.value, ast.Constant)
                    ):
                        doc = (ast.get_docstring(node) or "").splitlines()
                        yield str(line.value.value), doc[0] if doc else ""


def _words(node: ast.expr) -> str:
    """Return a message with its variable parts in braces."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "{…}" for part in node.values
        )
    return ""


if __name__ == "__main__":
    main()
