"""`penguin describe`: show everything about one resource."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import BaseModel

from cli import explain, lists
from cli.api import connect
from cli.faults import USAGE
from cli.get import WatchOption
from cli.kinds import MESSAGE, OPERATION, PARTS, PURCHASE, TENANT, Purchase
from cli.logs import ending, headline
from cli.names import Reference, ResourceArgument, TenantOption, named, tenant_option
from cli.output import Format, OutputOption, print_document, print_item
from cli.pages import parts, tenant
from cli.terminal import wrapped
from cli.times import moment
from cli.watching import watch_one
from controlplane.operations.schemas import OperationView
from sender.schemas import Explanation

app = typer.Typer()
AllOption = Annotated[
    bool, typer.Option("--all", help="also negative conditions that are not True")
]


@app.command()
def describe(
    words: ResourceArgument,
    of: TenantOption = None,
    everything: AllOption = False,
    watch: WatchOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Show a tenant, host, address, domain, mailbox, message, operation or purchase."""
    reference, tenant_name = named(words), tenant_option(of)
    read = _reader(reference, tenant_name)
    if not watch:
        document = read()
        if output is Format.TABLE:
            _show(document, everything=everything)
        else:
            print_document(document, output)
    elif output is Format.TABLE:
        watch_one(read, lambda document: _show_dated(document, everything=everything))
    else:
        watch_one(read, lambda document: print_item(document, output))


def _reader(reference: Reference, tenant_name: str | None) -> Callable[[], BaseModel]:
    """Return a function that reads everything about one resource."""
    name = str(reference.name)
    if reference.kind is TENANT:
        return lambda: tenant.read(connect(), name)
    if reference.kind in PARTS:
        return lambda: parts.read(connect(), reference, tenant_name)
    if reference.kind is MESSAGE:
        return lambda: connect().explain(name)
    if reference.kind in (OPERATION, PURCHASE):
        return lambda: lists.documents(reference, tenant_name)[0]
    raise USAGE(
        mistake=f"{reference.kind.plural} cannot be described",
        remedy=f"use `penguin get {reference.kind.plural}`",
    )


def _show_dated(document: BaseModel, *, everything: bool) -> None:
    """Print the time of the observation, then the page."""
    print(f"── {moment(datetime.now(UTC))}")
    _show(document, everything=everything)
    print(flush=True)


def _show(document: BaseModel, *, everything: bool) -> None:
    match document:
        case tenant.TenantDescription():
            tenant.show(document, everything=everything)
        case parts.PartDescription():
            parts.show(document, everything=everything)
        case Explanation():
            explain.show(document)
        case OperationView():
            print(headline(document))
            print(ending(document))
        case Purchase():
            rows = {"Purchase": document.name, "Opened at": moment(document.opened_at)}
            for title, value in {**rows, "Outcome": document.outcome or "-"}.items():
                print(wrapped(value, first=f"{title + ':':<13}"))
