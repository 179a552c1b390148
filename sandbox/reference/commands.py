"""The page of the commands with their arguments and options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from cli.main import Commands, app, sections

HEAD = """# Commands

`penguin COMMAND --help` prints the same. `-o table|json|yaml` chooses how a result is printed; with
json and yaml progress goes to standard error, as errors (`error[code]`, location, remedy) always
do. Tables and pages fit the terminal and tell what was cut; in a pipe nothing is cut. A resource
is named `host/mx1` or `host mx1`, a tenant `acme`, `tenant/acme` or `tenant acme`, everywhere.

| Exit code | |
|---|---|
| 0 | done; `penguin diff`: nothing differs |
| 1 | failed, or the command line is not valid |
| 2 | `penguin diff` only: something differs |
| 130 | interrupted (Ctrl-C) |
"""


def page() -> str:
    """Describe every command."""
    text = HEAD
    group: Any = command_line()
    for name, line in (row for _, rows in sections() for row in rows):
        text += f"\n## penguin {name}\n\n{line}.\n\n"
        for path, command in leaves(f"penguin {name}", group.get_command(None, name)):
            help_ = " ".join((command.help or "").split("\n\n")[0].split())
            text += f"- `{path}{_arguments(command)}`: {help_}\n"
            text += "".join(f"  - `{', '.join(o.opts)}`: {_about(o)}\n" for o in _options(command))
    return text


def command_line() -> Commands:
    """Return `penguin` itself."""
    command = typer.main.get_command(app)
    assert isinstance(command, Commands)  # noqa: S101 - the class that the app was made with
    return command


def leaves(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Yield every command that has no subcommand or does something without one, with its path."""
    subcommands = getattr(command, "commands", None)
    if subcommands is None or getattr(command, "invoke_without_command", False):
        yield path, command
    for name, nested in (subcommands or {}).items():
        yield from leaves(f"{path} {name}", nested)


def _arguments(command: Any) -> str:
    arguments = ""
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            name = parameter.metavar or str(parameter.name).upper()
            arguments += f" {name}" if parameter.required else f" [{name.strip('[]')}]"
    return arguments


def _options(command: Any) -> list[Any]:
    return [p for p in command.params if p.param_type_name == "option" and p.name != "help"]


def _about(option: Any) -> str:
    default = option.default
    usual = "" if default in (None, False, []) or callable(default) else f"; default: {default}"
    return f"{option.help or ''}{'; required' if option.required else usual}".lstrip("; ")
