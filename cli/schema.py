"""`penguin schema`: print the JSON Schema of a document."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from blueprint.schema import tenant_schema
from cli.faults import USAGE

app = typer.Typer()


@app.command()
def schema(kind: Annotated[str, typer.Argument(help="tenant")]) -> None:
    """Print the JSON Schema of a document, for editors and other programs."""
    if kind not in ("tenant", "tenants"):
        raise USAGE(mistake=f"{kind} has no schema", remedy="use tenant")
    print(json.dumps(tenant_schema(), indent=2))
