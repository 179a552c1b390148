"""The `penguin` command: a table of commands; each is imported only when it is called."""

from __future__ import annotations

import sys
from importlib import import_module

import typer
from typer._click import (  # typer carries its own click
    ClickException,
    Command,
    Context,
    HelpFormatter,
)
from typer._click.exceptions import NoArgsIsHelpError
from typer._click.exceptions import UsageError as ClickUsageError
from typer.core import TyperGroup

from cli.errors import FAILED, INTERRUPTED, UsageError, reported
from kit.paths import state_dir

COMMANDS = {
    "demo": ("cli.demo", "The main job on real parts, from a tenant file to a delivered mail"),
    "up": ("cli.up", "Keep the demo's world running"),
    "down": ("cli.down", "End the world; leaves nothing behind"),
    "apply": ("cli.apply", "Create tenants or change them to what files say"),
    "render": ("cli.render", "Everything that follows from a tenant's document"),
    "diff": ("cli.diff", "What apply would change, and what it would cost"),
    "get": ("cli.get", "List tenants, operations, messages, events"),
    "describe": ("cli.describe", "Everything about one tenant"),
    "wait": ("cli.wait", "Watch a tenant's conditions until one holds"),
    "delete": ("cli.delete", "End a tenant with everything that exists for it"),
    "logs": ("cli.logs", "What an operation did, line by line"),
    "events": ("cli.events", "What happened, in order"),
    "send": ("cli.send", "One mail through the tenant API"),
    "explain": ("cli.explain", "What became of a message, and why"),
    "init": ("cli.init", "Make settings, master key and the first operator's key, once"),
    "db": ("cli.db", "Bring the database to this version"),
    "serve": ("cli.serve", "Run API, reconciler and sender, together or alone"),
    "servers": ("cli.servers", "The embedded PostgreSQL and Valkey"),
    "purchases": ("cli.purchases", "What was meant to be bought, and what came of it"),
    "engine": ("cli.engine", "The Pulumi engine: which parts are in use"),
    "lab": ("cli.lab", "An Internet on this machine: providers, hosts, DNS, mail"),
}
"""Command to (module with a Typer object `app`, line for the help)."""


class Commands(TyperGroup):
    """Finds commands in the table, so that `penguin --help` imports none of them."""

    def list_commands(self, ctx: Context) -> list[str]:
        """Name all commands in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        group = import_module(COMMANDS[cmd_name][0]).app
        group.rich_markup_mode = None
        command = typer.main.get_command(group)
        command.name = cmd_name
        # Completion belongs to the whole, not to a command.
        command.params = [p for p in command.params if not str(p.name).endswith("_completion")]
        return command

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the help lines from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


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


def main() -> None:
    """Run the command line; every failure ends as a message with a remedy."""
    with reported(lambda: state_dir() / "log" / "penguin.log"):
        try:
            status = app(standalone_mode=False, prog_name="penguin")
        except typer.Abort:
            raise KeyboardInterrupt from None
        except NoArgsIsHelpError as error:
            print(error.format_message())
            status = FAILED
        except ClickException as error:
            raise _mistake(error) from None
        if status == INTERRUPTED:  # what typer makes of Ctrl-C
            raise KeyboardInterrupt
    sys.exit(status if isinstance(status, int) else 0)


def _mistake(error: ClickException) -> UsageError:
    """Say what is wrong with the command line, and where its help is."""
    context = error.ctx if isinstance(error, ClickUsageError) else None
    path = context.command_path if context else "penguin"
    message = error.format_message().replace("Value error, ", "").rstrip(".")
    return UsageError(message, remedy=f"see `{path} --help`")


if __name__ == "__main__":
    main()
