"""`penguin engine`: which parts of the Pulumi engine are in use, and how to get them."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

from cli.errors import CliError
from cli.output import Format, OutputOption, print_rows
from tools.pulumi import engine
from tools.pulumi.parts import VERSION

app = typer.Typer(help="The Pulumi engine of this machine.")


@app.callback(invoke_without_command=True)
def show(context: typer.Context, output: OutputOption = Format.TABLE) -> None:
    """Say which command, language host and plugins are in use, and where each comes from."""
    if context.invoked_subcommand:
        return
    found = engine.find()
    if found is None:
        raise CliError(
            "engine.missing",
            f"the Pulumi command {VERSION} is not on this machine",
            remedy="run `penguin engine build`",
        )
    rows = [
        {"part": part.name, "version": part.version, "origin": part.origin, "path": str(part.path)}
        for part in (found.cli, found.language, found.cloudflare)
    ]
    print_rows(rows, ("part", "version", "origin", "path"), output)


@app.command()
def build(
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Say nothing when the engine is there")
    ] = False,
) -> None:
    """Bring the engine here: found on PATH, else downloaded, else built (about 7 minutes)."""
    if engine.find() is not None:
        if not if_missing:
            print(f"the Pulumi engine {VERSION} is ready")
        return
    started = time.monotonic()

    def progress(line: str) -> None:
        print(f"  … pulumi engine: {line}", file=sys.stderr, flush=True)

    engine.obtain(progress)
    print(f"  ✓ pulumi engine  {time.monotonic() - started:.1f} s", flush=True)
