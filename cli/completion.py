"""`penguin completion`: print the script that lets a shell complete commands and names."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from typer._completion_shared import get_completion_script

app = typer.Typer()
VARIABLE = "_PENGUIN_COMPLETE"


class Shell(StrEnum):
    """Shells with completion."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@app.command()
def completion(shell: Annotated[Shell, typer.Argument(help="bash, zsh or fish")]) -> None:
    """Print a script for a shell's start file: source <(penguin completion bash)."""
    print(get_completion_script(prog_name="penguin", complete_var=VARIABLE, shell=shell.value))
