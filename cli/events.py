"""`penguin events`: what happened, in order."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from cli.api import connect
from cli.output import Format, OutputOption, print_document

app = typer.Typer()
POLL = 0.3


@app.command()
def events(
    tenant: Annotated[str | None, typer.Option(help="of this tenant only")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on with what comes")] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Print events, oldest first."""
    api = connect()
    query = {"tenant": tenant} if tenant else {}
    cursor = 0
    while True:
        page = api.get("/events", cursor=cursor, limit=1000, **query)
        cursor = page["next"]
        if output is not Format.TABLE and page["items"]:
            print_document(page["items"], output)
        for event in page["items"] if output is Format.TABLE else ():
            text = f"{event['tenant']} {event['subject']} {event['kind']} {event['reason']}"
            print(f"{event['at'][:19]}  {text}: {event['message']}", flush=True)
        if not page["items"]:
            if not follow:
                return
            time.sleep(POLL)
