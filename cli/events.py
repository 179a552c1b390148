"""`penguin events`: show what happened, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from cli.api import Api, connect
from cli.environment import environment
from cli.names import OptionalTenantArgument, TenantOption, tenant_of
from cli.output import Format, OutputOption, print_document, print_item
from cli.terminal import on_terminal
from cli.times import moment
from controlplane.events.schemas import EventPage, EventView

app = typer.Typer()
POLL = 0.3
"""Seconds between two requests with --follow."""
PAGE = 1000
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
    items = read(api, tenant, follow=follow)
    if output is not Format.TABLE and not follow:
        print_document(list(items), output)
        return
    for event in items:
        if output is Format.TABLE:
            head = f"{moment(event.at)}  {event.tenant or 'platform'}  "
            print(on_terminal(sentence(event), first=head), flush=True)
        else:
            print_item(event, output)


def read(api: Api, tenant: str | None, *, follow: bool = False) -> Iterator[EventView]:
    """Yield events, oldest first; with `follow` without end."""
    query = {"tenant": tenant} if tenant else {}
    cursor: str | None = "0"
    while True:
        page = api.get("/events", EventPage, cursor=cursor, limit=PAGE, **query)
        yield from page.items
        cursor = page.next
        if not page.items:
            if not follow:
                return
            environment().sleep(POLL)


def sentence(event: EventView, *, with_subject: bool = True) -> str:
    """Return an event in one line: subject, kind, reason, message."""
    subject = f"{event.subject} " if with_subject else ""
    text = f"{subject}{event.kind} {event.reason}"
    return f"{text}: {event.message}" if event.message else text
