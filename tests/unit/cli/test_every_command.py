"""Properties of every command of every room."""

from __future__ import annotations

from typing import Any

import pytest

from cli.main import commands
from cli.output import Format
from sandbox.reference.commands import command_line, leaves

WITHOUT_FORMAT = {
    "penguin completion": "prints a script for a shell",
    "penguin demo": "shows other commands at work",
    "penguin down": "shows its progress, and has no result but its exit code",
    "penguin engine build": "shows its progress, and has no result but its exit code",
    "penguin lab logs": "prints a log as it was written",
    "penguin serve": "runs until it is stopped",
    "penguin up": "shows its progress, and has no result but its exit code",
}
"""Commands that have no result to print as JSON, with the reason."""


def every_command() -> dict[str, Any]:
    """Return each command that is not a group, by its full name."""
    group = command_line()
    groups = (leaves(f"penguin {name}", group.get_command(None, name)) for name in commands())  # type: ignore[arg-type]
    return {path: command for commands_of_group in groups for path, command in commands_of_group}


COMMANDS = every_command()


@pytest.mark.parametrize("path", COMMANDS)
def test_command_prints_json_unless_it_has_no_result(path: str) -> None:
    options = [option for option in COMMANDS[path].params if "-o" in option.opts]
    has_format = len(options) == 1 and isinstance(options[0].default, Format)
    assert has_format == (path not in WITHOUT_FORMAT)


def test_every_exception_is_a_command() -> None:
    assert WITHOUT_FORMAT.keys() <= COMMANDS.keys()


@pytest.mark.parametrize("path", COMMANDS)
def test_command_has_help_for_itself_and_every_option(path: str) -> None:
    command = COMMANDS[path]
    assert command.help
    assert [p.name for p in command.params if not (p.help or p.metavar or p.name == "help")] == []
