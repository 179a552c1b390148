"""The `penguin` command: registers every command; heavy imports happen inside the commands."""

from __future__ import annotations

import typer

from cli.errors import reported
from tools.places import state_dir

app = typer.Typer(
    name="penguin",
    help="One tenant file in, one verified, warmed, sending mail platform out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line; every failure ends as a message with a remedy."""
    with reported(state_dir() / "log" / "penguin.log"):
        app()


if __name__ == "__main__":
    main()
