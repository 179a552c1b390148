"""`penguin describe`: show everything about one resource."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import explain, lists
from cli.api import Api, connect
from cli.faults import USAGE
from cli.kinds import MESSAGE, OPERATION, PARTS, PURCHASE, TENANT
from cli.logs import ending, headline
from cli.names import Reference, ResourceArgument, TenantOption, named, tenant_option
from cli.output import Format, OutputOption, print_document
from cli.pages import parts, tenant
from cli.terminal import wrapped

app = typer.Typer()
AllOption = Annotated[
    bool, typer.Option("--all", help="also conditions that only say that nothing is wrong")
]


@app.command()
def describe(
    words: ResourceArgument,
    of: TenantOption = None,
    everything: AllOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Show a tenant, host, address, domain, mailbox, message, operation or purchase."""
    wanted, owner = named(words), tenant_option(of)
    if wanted.kind is PURCHASE:
        _show(lists.documents(wanted, owner)[0], output)
        return
    api = connect()
    document = _read(api, wanted, owner)
    if output is not Format.TABLE:
        print_document(document, output)
    elif wanted.kind is TENANT:
        tenant.show(document, everything=everything)
    elif wanted.kind in PARTS:
        parts.show(document, wanted.kind, everything=everything)
    elif wanted.kind is MESSAGE:
        explain.show(document)
    else:
        print(headline(document))
        print(ending(document))


def _read(api: Api, wanted: Reference, owner: str | None) -> dict[str, Any]:
    if wanted.kind is TENANT:
        return tenant.read(api, str(wanted.name))
    if wanted.kind in PARTS:
        return parts.read(api, wanted, owner)
    if wanted.kind is MESSAGE:
        return api.explain(str(wanted.name))
    if wanted.kind is OPERATION:
        return lists.documents(wanted, owner)[0]
    raise USAGE(
        mistake=f"{wanted.kind.plural} cannot be described",
        remedy=f"use `penguin {wanted.kind.plural}`",
    )


def _show(document: dict[str, Any], output: Format) -> None:
    if output is not Format.TABLE:
        print_document(document, output)
        return
    for title, value in document.items():
        shown = "-" if value is None else value
        print(wrapped(shown, first=f"{title.replace('_', ' ').capitalize() + ':':<13}"))
