"""`penguin version`: show which version is installed."""

from __future__ import annotations

import platform
from importlib.metadata import version as version_of

import typer

from cli.output import Format, OutputOption, print_result

app = typer.Typer()
DISTRIBUTION = "penguinmails"


@app.command()
def version(output: OutputOption = Format.TABLE) -> None:
    """Print the version of PenguinMails and of the Python that runs it."""
    versions = {"version": version_of(DISTRIBUTION), "python": platform.python_version()}
    print_result(f"penguin {versions['version']} (Python {versions['python']})", versions, output)
