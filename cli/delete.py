"""`penguin delete`: ends a tenant with everything that exists for it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli import wait
from cli.api import connect, tenant_path
from cli.errors import CliError

app = typer.Typer()


@app.command()
def delete(
    kind: Annotated[str, typer.Argument(help="tenant")],
    name: Annotated[str, typer.Argument()],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    until_gone: Annotated[bool, typer.Option("--wait", help="until it is gone")] = False,
    timeout: Annotated[str, typer.Option(help="for --wait, as 300s or 5m")] = "300s",
) -> None:
    """Delete a tenant: its mail stops, its servers and records are removed."""
    if kind not in ("tenant", "tenants"):
        raise CliError("usage", f"{kind} cannot be deleted", remedy="use tenant", status=2)
    api = connect()
    api.get(tenant_path(name))
    if not yes:
        _require_somebody(name)
        typer.confirm(
            f"Delete tenant {name}, its servers, addresses, records and queued mail?", abort=True
        )
    api.send("DELETE", tenant_path(name))
    print(f"tenant/{name} is being deleted")
    if until_gone:
        wait.for_deletion(api, name, wait.seconds(timeout))


def _require_somebody(name: str) -> None:
    if not sys.stdin.isatty():
        raise CliError(
            "delete.unconfirmed",
            "there is nobody to ask",
            where=f"tenant {name}",
            remedy=f"`penguin delete tenant {name} --yes`",
            status=2,
        )
