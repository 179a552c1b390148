"""`penguin engine`: the Pulumi engine: which parts are in use."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from cli.output import Format, OutputOption, print_rows
from cli.progress import ProgressLine
from tools.pulumi import engine
from tools.pulumi.parts import VERSION, Kind

ORIGINS = {
    Kind.OFFICIAL: "Pulumi's own distribution",
    Kind.BUILT: "built on this machine from Pulumi's published modules",
    Kind.STAND_IN: "stand-in of this project: the official part is not on this machine",
}

app = typer.Typer(help="The Pulumi engine of this machine.")


@app.callback(invoke_without_command=True)
def show(context: typer.Context, output: OutputOption = Format.TABLE) -> None:
    """Show which command, language host and plugins are in use, and where each comes from."""
    if context.invoked_subcommand:
        return
    installed = engine.find()
    rows = [
        {
            "part": part.name,
            "version": part.version,
            "kind": part.kind.value,
            "origin": ORIGINS[part.kind],
            "path": str(part.path),
        }
        for part in (installed.cli, installed.language, installed.cloudflare)
    ]
    print_rows(rows, ("part", "version", "origin", "path"), output)


@app.command()
def build(
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Print nothing when the engine is installed")
    ] = False,
) -> None:
    """Install the engine: from PATH, else a download, else a build (about 7 minutes)."""
    if engine.is_installed():
        if not if_missing:
            print(f"the Pulumi engine {VERSION} is ready")
        return
    started = time.monotonic()
    with ProgressLine("pulumi engine") as line:
        engine.install(line.update)
    print(f"  ✓ pulumi engine  {time.monotonic() - started:.1f} s", flush=True)
