"""Asks for confirmation before something that cannot be undone."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.environment import environment
from cli.faults import UNCONFIRMED

DestroyMailOption = Annotated[
    bool,
    typer.Option(
        "--yes-destroy-mail",
        help="agree that mail of people is destroyed; the refusal without it says how much",
    ),
]


def destroying(*, agreed: bool, mails: int | None = None) -> dict[str, int]:
    """Return the parameters of a request that may destroy mail; `mails` with Mailu of a host."""
    number = {} if mails is None else {"discard": mails}
    return {"destroy_mail": True, **number} if agreed else number


def require_consent(question: str, command: str) -> None:
    """Return when the answer is yes; `command` is the command to repeat with `--yes`."""
    stdin = environment().stdin
    if stdin is None or not stdin.isatty():
        raise UNCONFIRMED(reason="standard input is not a terminal", command=command)
    print(f"{question} [y/N]: ", end="", file=sys.stderr, flush=True)
    if stdin.readline().strip().lower() not in ("y", "yes"):
        raise UNCONFIRMED(reason="the answer was no", command=command)
