"""`penguin schema`: print the JSON Schema of a document."""

from __future__ import annotations

from typing import Annotated

import typer

from blueprint.schema import tenant_schema
from cli.faults import USAGE
from cli.output import Format, OutputOption, print_document

app = typer.Typer()


@app.command()
def schema(
    kind: Annotated[str, typer.Argument(help="tenant")], output: OutputOption = Format.JSON
) -> None:
    """Print the JSON Schema of a document, for editors and other programs."""
    if kind not in ("tenant", "tenants"):
        raise USAGE(mistake=f"{kind} has no schema", remedy="use tenant")
    print_document(tenant_schema(), output)
