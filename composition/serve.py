"""`penguin serve`: run API, public endpoints, reconciler and sender, together or alone."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from composition.parts.settings import Part

app = typer.Typer(help="Run the control plane and the sender.")


@app.command()
def serve(
    parts: Annotated[list[Part] | None, typer.Argument(help="Default: all")] = None,
) -> None:
    """Run each part in a process of its own until SIGTERM; work in progress is finished first."""
    from composition.serving import prepare

    chosen = list(dict.fromkeys(parts or Part))
    prepare(chosen)
    # Replaces this process, so that the memory of the command line is freed.
    command = [sys.executable, "-m", "composition.serving", *chosen]
    os.execv(sys.executable, command)  # noqa: S606 - no shell is wanted
