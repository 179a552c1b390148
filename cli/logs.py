"""`penguin logs`: show what an operation did, line by line."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from cli.api import Api, connect, path_of, tenant_path
from cli.completing import tenants
from cli.faults import NO_OPERATION, USAGE
from cli.kinds import OPERATION
from cli.names import TenantOption, reference, tenant_of
from cli.output import Format, OutputOption, print_document
from cli.terminal import on_terminal, printable
from cli.times import moment
from controlplane.operations.schemas import OperationPage, OperationView

app = typer.Typer()


@app.command()
def logs(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TENANT | OPERATION]",
            help="as acme, tenant/acme, or an operation's id; default: the newest operation",
            autocompletion=tenants,
        ),
    ] = None,
    tenant: TenantOption = None,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="keep printing until the operation has ended")
    ] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Print the log of a tenant's newest operation, or of the one named."""
    api = connect()
    operation = _find(api, words, tenant)
    path = path_of("operations", str(operation.id))
    lines = api.lines(f"{path}/log", follow=follow)
    if output is not Format.TABLE:
        log = list(lines)
        print_document({"operation": api.get(path, OperationView), "lines": log}, output)
        return
    print(headline(operation), flush=True)
    for line in lines:
        print(printable(line), flush=True)
    print(ending(api.get(path, OperationView)))


def _find(api: Api, words: list[str] | None, option: str | None) -> OperationView:
    id_ = _operation_id(words or [])
    if id_ is not None:
        if option is not None:
            raise USAGE(mistake="an operation belongs to one tenant", remedy="leave out --tenant")
        return api.get(path_of("operations", id_), OperationView)
    name = tenant_of(words, option)
    path = f"{tenant_path(name)}/operations" if name is not None else "/operations"
    newest = api.get(path, OperationPage, limit=1).items
    if not newest:
        raise NO_OPERATION(where=f"tenant {name}" if name else None)
    return newest[0]


def _operation_id(words: list[str]) -> str | None:
    """Return the id in `ID`, `operation/ID` or `operation ID`; None for anything else."""
    if len(words) == 1 and _is_id(words[0]):
        return words[0]
    if words and words[0].partition("/")[0] in (OPERATION.name, OPERATION.plural):
        return reference(words).name
    return None


def headline(operation: OperationView) -> str:
    """Return phase, tenant and start of an operation."""
    return (
        f"operation {operation.id}\n"
        f"{operation.phase} {operation.kind} of tenant {operation.tenant}, "
        f"generation {operation.generation}, since {moment(operation.started_at)}"
    )


def ending(operation: OperationView) -> str:
    """Return how an operation ended."""
    if operation.finished_at is None:
        return "it is still running: `penguin logs -f` follows it"
    text = f"{operation.outcome} at {moment(operation.finished_at)}"
    if operation.error_code:
        error = f"{operation.error_code}: {operation.error_message}"
        text += "\n" + on_terminal(error, first="  ")
        text += "\n" + on_terminal(operation.remedy, first="  do: ") if operation.remedy else ""
    return text


def _is_id(name: str) -> bool:
    try:
        UUID(name)
    except ValueError:
        return False
    return True
