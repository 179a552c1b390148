"""`penguin logs`: what an operation did, line by line."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from cli.api import Api, connect, tenant_path
from cli.errors import CliError
from cli.output import Format, OutputOption, print_document, shown

app = typer.Typer()


@app.command()
def logs(
    name: Annotated[
        str | None, typer.Argument(help="a tenant, or an operation's id; default: the newest")
    ] = None,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="until the operation has ended")
    ] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Print the log of a tenant's newest operation, or of the one named."""
    api = connect()
    operation = _find(api, name)
    path = f"/operations/{operation['id']}"
    lines = api.lines(f"{path}/log", follow=follow)
    if output is not Format.TABLE:
        said = list(lines)
        print_document({"operation": api.get(path), "lines": said}, output)
        return
    print(_headline(operation), flush=True)
    for line in lines:
        print(shown(line), flush=True)
    print(_ending(api.get(path)))


def _find(api: Api, name: str | None) -> dict[str, Any]:
    if name is not None and _is_id(name):
        found: dict[str, Any] = api.get(f"/operations/{name}")
        return found
    path = f"{tenant_path(name)}/operations" if name is not None else "/operations"
    newest = api.get(path, limit=1)["items"]
    if not newest:
        raise CliError(
            "logs.none",
            "nothing has been done yet",
            where=f"tenant {name}" if name else None,
            remedy="`penguin describe tenant NAME` says what is waited for",
        )
    operation: dict[str, Any] = newest[0]
    return operation


def _headline(operation: dict[str, Any]) -> str:
    started = clock(operation["started_at"])
    return (
        f"operation {operation['id']}: {operation['kind']} {operation['phase']} of tenant "
        f"{operation['tenant']}, generation {operation['generation']}, since {started}"
    )


def _ending(operation: dict[str, Any]) -> str:
    if operation["finished_at"] is None:
        return "it is still running: `penguin logs -f` follows it"
    text = f"{operation['outcome']} at {clock(operation['finished_at'])}"
    if operation["error_code"]:
        text += f"\n  {operation['error_code']}: {operation['error_message']}"
        text += f"\n  do: {operation['remedy']}" if operation["remedy"] else ""
    return text


def _is_id(name: str) -> bool:
    try:
        UUID(name)
    except ValueError:
        return False
    return True


def clock(moment: str) -> str:
    """Show the time of day of a moment, as the reader's clock shows it."""
    return f"{datetime.fromisoformat(moment).astimezone():%H:%M:%S}"
