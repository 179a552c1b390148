"""`penguin delete`: ends a tenant with everything that exists for it."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import wait
from cli.api import connect
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
    api.get(f"/tenants/{name}")
    if not yes:
        typer.confirm(
            f"Delete tenant {name}, its servers, addresses, records and queued mail?", abort=True
        )
    api.send("DELETE", f"/tenants/{name}")
    print(f"tenant/{name} is being deleted")
    if until_gone:
        wait.for_deletion(api, name, wait.seconds(timeout))
