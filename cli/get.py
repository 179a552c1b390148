"""`penguin get`: list resources, or show one."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import events, lists
from cli.api import connect
from cli.completing import kinds
from cli.faults import USAGE
from cli.kinds import EVENT, KINDS, TENANT
from cli.names import TenantOption, reference, tenant_option
from cli.output import Format, OutputOption, print_document, print_rows
from cli.watching import watch

app = typer.Typer()
LabelOption = Annotated[
    list[str], typer.Option("--label", "-l", help="tenants that have it: key=value; repeatable")
]
WatchOption = Annotated[bool, typer.Option("--watch", "-w", help="keep printing what changes")]


@app.command()
def get(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="KIND | KIND/NAME",
            help=", ".join(kind.plural for kind in KINDS),
            autocompletion=kinds,
        ),
    ],
    tenant: TenantOption = None,
    label: LabelOption = [],  # noqa: B006 - never changed
    follow: WatchOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """List resources, or show one: `get hosts`, `get host/mx1`, `get host mx1`."""
    wanted, of = reference(words), tenant_option(tenant)
    if label and (wanted.kind is not TENANT or wanted.name is not None or of is not None):
        raise USAGE(
            mistake="only a list of tenants can be limited by labels",
            remedy="use `get tenants -l KEY=VALUE`",
        )
    if wanted.kind is EVENT:
        if wanted.name is not None:
            raise USAGE(mistake="events have no name", remedy="use --tenant to see a tenant's")
        if follow:
            events.show(connect(), of, follow=True, output=output)
            return
    if follow:
        watch(lambda: lists.rows(wanted, of, label), wanted.kind, output)
    elif wanted.name is not None and output is not Format.TABLE:
        print_document(lists.documents(wanted, of)[0], output)
    else:
        print_rows(lists.rows(wanted, of, label), wanted.kind.columns, output)
