"""`penguin get`: list resources, or show one."""

from __future__ import annotations

from collections.abc import Sequence
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
SelectorOption = Annotated[
    str | None,
    typer.Option(help="only tenants whose labels meet it: 'team in (mail, web),!legacy'"),
]
CauseOption = Annotated[
    str | None,
    typer.Option(
        "--reason", help="only tenants with a condition of this reason, or code: dns.not_delegated"
    ),
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
    selector: SelectorOption = None,
    reason: CauseOption = None,
    watch: WatchOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """List resources, or show one: `get hosts`, `get host/mx1`, `get host mx1`."""
    ref, of = reference(words), tenant_option(tenant)
    query = selection(label, selector, reason)
    if query and (ref.kind is not TENANT or ref.name is not None or of is not None):
        raise USAGE(
            mistake="only a list of tenants can be limited by labels and reasons",
            remedy="use `get tenants --selector …`, or `penguin todo --reason …`",
        )
    if watch and ref.kind is EVENT:
        events.show(connect(), of, follow=True, output=output)
    elif watch:
        watch_list(lambda: lists.documents(ref, of, query), ref.kind, output)
    elif output is Format.TABLE:
        print_rows(lists.table(ref, of, query), ref.kind.columns, output)
    else:
        resources = lists.documents(ref, of, query)
        print_document(resources if ref.name is None else resources[0], output)


def selection(
    labels: Sequence[str], selector: str | None, reason: str | None
) -> dict[str, str | list[str]]:
    """Return which tenants are meant, as parameters of the API; empty: all."""
    given = {"label": list(labels), "selector": selector, "reason": reason}
    return {name: value for name, value in given.items() if value not in (None, [])}
