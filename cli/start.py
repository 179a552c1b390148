"""`penguin start`: let mail leave again that `penguin stop` holds."""

from __future__ import annotations

import typer

from cli.api import connect
from cli.names import TenantOption
from cli.output import Format, OutputOption, print_result, voice
from cli.pause import ReasonOption
from cli.stop import TargetArgument, called, request, stop_line
from cli.terminal import wrapped

app = typer.Typer()


@app.command()
def start(
    target: TargetArgument,
    reason: ReasonOption,
    of: TenantOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Start mail again. What waited leaves within 15 minutes."""
    wanted = request(target, of)
    answer = connect().send("POST", "/start", wanted | {"reason": reason}).json()
    outcome = "started" if answer["changed"] else "unchanged: it was not stopped"
    print_result(f"{called(wanted['scope'], wanted.get('name'))} {outcome}", answer, output)
    for stop in answer["stops"]:
        print(wrapped(stop_line(stop), first="still stopped: "), file=voice(output))
