"""`penguin events`: what happened, in order."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer
import yaml

from cli.api import Api, connect
from cli.output import Format, OutputOption, print_document, shown

app = typer.Typer()
POLL = 0.3


@app.command()
def events(
    tenant: Annotated[str | None, typer.Option(help="of this tenant only")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on with what comes")] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Print events, oldest first. With --follow, JSON is one line for each event."""
    found = _events(connect(), tenant, follow=follow)
    if output is not Format.TABLE and not follow:
        print_document(list(found), output)
        return
    for event in found:
        print(_shown(event, output), flush=True)


def _events(api: Api, tenant: str | None, *, follow: bool) -> Iterator[dict[str, Any]]:
    query = {"tenant": tenant} if tenant else {}
    cursor = 0
    while True:
        page = api.get("/events", cursor=cursor, limit=1000, **query)
        yield from page["items"]
        cursor = page["next"]
        if not page["items"]:
            if not follow:
                return
            time.sleep(POLL)


def _shown(event: dict[str, Any], output: Format) -> str:
    if output is Format.JSON:
        return json.dumps(event, ensure_ascii=False)
    if output is Format.YAML:
        return f"---\n{yaml.safe_dump(event, sort_keys=False, allow_unicode=True)}".rstrip()
    text = f"{event['tenant']} {event['subject']} {event['kind']} {event['reason']}"
    return shown(f"{event['at'][:19]}  {text}: {event['message']}")
