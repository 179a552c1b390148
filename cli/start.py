"""`penguin start`: resume outgoing mail after `penguin stop`."""

from __future__ import annotations

import typer

from cli.api import connect
from cli.names import TenantOption
from cli.output import Format, OutputOption, print_result, progress_stream
from cli.pause import ReasonOption
from cli.stop import TargetArgument, request, stop_line, target_of
from cli.terminal import wrapped
from controlplane.stops.schemas import Started

app = typer.Typer()


@app.command()
def start(
    target: TargetArgument,
    reason: ReasonOption,
    of: TenantOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Start mail again. Queued mail is due at once."""
    wanted = request(target, of)
    answer = connect().post("/start", Started, wanted | {"reason": reason})
    outcome = "started" if answer.changed else "unchanged: it was not stopped"
    print_result(f"{target_of(wanted['scope'], wanted.get('name'))} {outcome}", answer, output)
    for stop in answer.stops:
        print(wrapped(stop_line(stop), first="still stopped: "), file=progress_stream(output))
