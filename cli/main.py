"""The `penguin` command: rooms add theirs by entry points; only the one called is imported."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

import typer
from typer._click import (  # typer vendors click
    ClickException,
    Command,
    Context,
    HelpFormatter,
)
from typer._click.exceptions import NoArgsIsHelpError
from typer._click.exceptions import UsageError as ClickUsageError
from typer._completion_classes import completion_init
from typer.core import TyperGroup

from cli import habits
from cli.environment import Environment
from cli.errors import FAILED, INTERRUPTED, reported
from cli.faults import STALE, USAGE
from kit import files
from kit.faults import Fault
from kit.paths import state_dir

GROUP = "penguin.commands"
"""Entry points of the installed distributions: a command's name and the Typer object behind it."""


@cache
def commands() -> dict[str, EntryPoint]:
    """Return the installed commands in the order of the help: the client's own come first."""
    ordered = sorted(
        entry_points(group=GROUP),
        key=lambda entry: (_room(entry) != __package__, _room(entry), entry.name),
    )
    return {entry.name: entry for entry in ordered}


def _room(entry: EntryPoint) -> str:
    return entry.module.partition(".")[0]


def sections() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield the title of each room, and its commands with their descriptions."""
    for room, entries in groupby(commands().values(), key=_room):
        rows = [(entry.name, _first_line(entry.module)[1]) for entry in entries]
        yield _first_line(room)[0], rows


def _first_line(module: str) -> tuple[str, str]:
    """Return both parts of a module's first line `TITLE: DESCRIPTION`, without importing it."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return module, ""
    with Path(spec.origin).open(encoding="utf-8") as source:
        title, _, line = source.readline().strip().strip('"').rstrip(".").partition(": ")
    return title, line[:1].upper() + line[1:]


class Commands(TyperGroup):
    """Finds commands by entry points, so that `penguin --help` imports none of them."""

    def list_commands(self, ctx: Context) -> list[str]:
        """Return the names of all commands in the order of the help."""
        return list(commands())

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """Import and return one command."""
        entry = commands().get(cmd_name)
        if entry is None:
            return None
        group = entry.load()
        group.rich_markup_mode = None
        command = typer.main.get_command(group)
        command.name = cmd_name
        # Completion is an option of `penguin`, not of each command.
        command.params = [p for p in command.params if not str(p.name).endswith("_completion")]
        return command

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the help lines."""
        for title, rows in sections():
            with formatter.section(title):
                formatter.write_dl(rows)


app = typer.Typer(
    cls=Commands,
    help="One tenant file in, one verified, warmed, sending mail platform out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def root() -> None:
    """One tenant file in, one verified, warmed, sending mail platform out."""


def main(arguments: Sequence[str] | None = None, environment: Environment | None = None) -> None:
    """Run the command line; every failure ends as a message with a remedy."""
    files.protect_new()
    with reported(lambda: state_dir() / "log" / "penguin.log"):
        if not commands():
            raise STALE(where=sys.prefix)
        completion_init()  # for the scripts that `penguin completion` prints
        try:
            status = app(
                arguments,
                standalone_mode=False,
                prog_name="penguin",
                obj=environment or Environment(),
            )
        except typer.Abort:
            raise KeyboardInterrupt from None
        except NoArgsIsHelpError as error:
            print(error.format_message())
            status = FAILED
        except ClickException as error:
            raise _mistake(error) from None
        if status == INTERRUPTED:  # typer's exit code for Ctrl-C
            raise KeyboardInterrupt
    sys.exit(status if isinstance(status, int) else 0)


def _mistake(error: ClickException) -> Fault:
    """Return the fault of an invalid command line, with the command that prints its help."""
    from cli import options  # with pydantic, which `penguin --help` does not need

    if refusal := options.refusal(error):
        return USAGE(mistake=refusal.message, remedy=refusal.remedy)
    context = error.ctx if isinstance(error, ClickUsageError) else None
    path = context.command_path if context else "penguin"
    message = " ".join(error.format_message().replace("Value error, ", "").split()).rstrip(".")
    return USAGE(mistake=message, remedy=habits.remedy(error) or f"see `{path} --help`")


if __name__ == "__main__":
    main()
