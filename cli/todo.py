"""`penguin todo`: actions that tenants wait for, and since when."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Annotated

import typer

from cli.api import connect
from cli.freeze import frozen_line
from cli.names import OptionalTenantArgument, TenantOption, tenant_of
from cli.output import Format, OutputOption, print_document
from cli.terminal import wrapped
from cli.times import age
from controlplane.freezes.schemas import Freezes
from controlplane.todo.schemas import TodoPage, TodoView

app = typer.Typer()
CauseOption = Annotated[
    str | None,
    typer.Option("--reason", help="only for this reason, or code: dns.not_delegated"),
]
NOTHING = "nothing: the reconciler continues by itself with what is not ready"


@app.command()
def todo(
    tenant: OptionalTenantArgument = None,
    of: TenantOption = None,
    reason: CauseOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """List addresses to buy, zones to delegate, records to set, purchases to settle, and so on."""
    query = {"tenant": tenant_of(tenant, of), "reason": reason}
    given = {name: value for name, value in query.items() if value is not None}
    api = connect()
    items = api.pages("/todo", TodoPage, **given)
    if output is Format.TABLE:
        for freeze in api.get("/platform/freezes", Freezes).items:
            print(wrapped(frozen_line(freeze), first="frozen: "), flush=True)
        nothing = f"nothing with the reason {reason}" if reason else NOTHING
        show(items, nothing)
    else:
        print_document(list(items), output)


def show(items: Iterable[TodoView], nothing: str = NOTHING) -> None:
    """Print each thing to do, with what it is for; the same one for several subjects once.

    `nothing` is printed where there is none.
    """
    is_empty = True
    for _, group in groupby(items, key=lambda item: (item.tenant, item.reason, item.remedy)):
        is_empty, together = False, list(group)
        first = together[0]
        subjects = ", ".join(item.subject for item in together)
        since = age(min(item.since for item in together))
        head = f"{first.tenant}  {subjects}: {first.reason}, for {since}, {first.acts}"
        print(wrapped(head, indent="  "))
        print(wrapped(first.message, first="    "))
        print(wrapped(first.remedy, first="    do: "), flush=True)
        if first.stalls:
            print(f"    then: penguin retry {first.tenant}", flush=True)
    if is_empty:
        print(nothing)
