"""`penguin events`: show what happened, in order."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer
import yaml

from cli.api import Api, connect
from cli.names import OptionalTenantArgument, TenantOption, tenant_of
from cli.output import Format, OutputOption, print_document
from cli.terminal import on_terminal
from cli.times import moment

app = typer.Typer()
POLL = 0.3
FollowOption = Annotated[
    bool, typer.Option("--follow", "-f", "--watch", "-w", help="keep printing what happens")
]


@app.command()
def events(
    tenant: OptionalTenantArgument = None,
    of: TenantOption = None,
    follow: FollowOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Print events, oldest first. With --follow, JSON is one line for each event."""
    show(connect(), tenant_of(tenant, of), follow=follow, output=output)


def show(api: Api, tenant: str | None, *, follow: bool, output: Format) -> None:
    """Print the events of a tenant, or of all."""
    found = read(api, tenant, follow=follow)
    if output is not Format.TABLE and not follow:
        print_document(list(found), output)
        return
    for event in found:
        print(_shown(event, output), flush=True)


def read(api: Api, tenant: str | None, *, follow: bool = False) -> Iterator[dict[str, Any]]:
    """Yield events, oldest first; with `follow` without end."""
    query = {"tenant": tenant} if tenant else {}
    cursor = "0"
    while True:
        page = api.get("/events", cursor=cursor, limit=1000, **query)
        yield from page["items"]
        cursor = page["next"]
        if not page["items"]:
            if not follow:
                return
            time.sleep(POLL)


def what(event: dict[str, Any]) -> str:
    """Return what happened to whom, without a colon before nothing."""
    text = f"{event['subject']} {event['kind']} {event['reason']}"
    return f"{text}: {event['message']}" if event["message"] else text


def _shown(event: dict[str, Any], output: Format) -> str:
    if output is Format.JSON:
        return json.dumps(event, ensure_ascii=False)
    if output is Format.YAML:
        return f"---\n{yaml.safe_dump(event, sort_keys=False, allow_unicode=True)}".rstrip()
    head = f"{moment(event['at'])}  {event['tenant']}  "
    return on_terminal(what(event), first=head)
