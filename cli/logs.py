"""`penguin logs`: what an operation did, line by line."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from cli.api import Api, connect
from cli.errors import CliError

app = typer.Typer()


@app.command()
def logs(
    name: Annotated[
        str, typer.Argument(help="a tenant (its last operation), or an operation's id")
    ],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="until it has ended")] = False,
) -> None:
    """Print the log of an operation."""
    api = connect()
    for line in api.lines(f"/operations/{_operation(api, name)}/log", follow=follow):
        print(line, flush=True)


def _operation(api: Api, name: str) -> str:
    try:
        return str(UUID(name))
    except ValueError:
        found = api.get(f"/tenants/{name}/operations", limit=1)["items"]
    if not found:
        raise CliError(
            "logs.none",
            f"nothing has been done for tenant {name} yet",
            remedy=f"`penguin describe tenant {name}` says why",
        )
    return str(found[0]["id"])
