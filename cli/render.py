"""`penguin render`: prints the blueprint of a tenant, from the control plane or from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from blueprint import render as rendering
from cli import files
from cli.api import connect, tenant_path
from cli.errors import CliError
from cli.output import Format, OutputOption, print_document

app = typer.Typer()


@app.command()
def render(
    tenant: Annotated[str | None, typer.Argument(help="name, asked of the control plane")] = None,
    filename: Annotated[
        str | None, typer.Option("--filename", "-f", help="a file, without a control plane")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="write it here")] = None,
    output: OutputOption = Format.JSON,
) -> None:
    """Print everything that follows from a tenant's document."""
    if (tenant is None) == (filename is None):
        raise CliError("usage", "name a tenant, or a file with -f", remedy="one of both", status=2)
    if tenant is not None:
        document = connect().get(f"{tenant_path(tenant)}/blueprint")
    else:
        found = files.read([filename or "-"])
        if len(found) != 1:
            raise CliError("usage", "the file has several tenants", remedy="give one", status=2)
        made = rendering.render(found[0].tenant, platform=files.platform(), keys=None, generation=1)
        document = made.model_dump(mode="json", by_alias=True)
    if to is not None:
        import json

        to.write_text(json.dumps(document, indent=1))
        print(to)
        return
    print_document(document, output)
