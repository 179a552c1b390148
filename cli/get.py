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
from cli.watching import watch_list

app = typer.Typer()
LabelOption = Annotated[
    list[str], typer.Option("--label", "-l", help="only tenants with it: key=value; repeatable")
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
    label: LabelOption = [],  # noqa: B006 - never mutated
    watch: WatchOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """List resources, or show one: `get hosts`, `get host/mx1`, `get host mx1`."""
    ref, of = reference(words), tenant_option(tenant)
    if label and (ref.kind is not TENANT or ref.name is not None or of is not None):
        raise USAGE(
            mistake="only a list of tenants can be limited by labels",
            remedy="use `get tenants -l KEY=VALUE`",
        )
    if watch and ref.kind is EVENT:
        events.show(connect(), of, follow=True, output=output)
    elif watch:
        watch_list(lambda: lists.documents(ref, of, label), ref.kind, output)
    else:
        resources = lists.documents(ref, of, label)
        if output is Format.TABLE:
            print_rows([lists.row_of(resource) for resource in resources], ref.kind.columns, output)
        else:
            print_document(resources if ref.name is None else resources[0], output)
