"""`penguin render`: show everything that follows from a tenant's document."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from blueprint import render as rendering
from blueprint.document import Blueprint
from blueprint.loading import settled
from cli import files, settings
from cli.api import connect, tenant_path
from cli.faults import UNWRITABLE, USAGE
from cli.names import OptionalTenantArgument, TenantOption, tenant_of
from cli.output import Format, OutputOption, as_text, print_document
from cli.pages import blueprint as pages

app = typer.Typer()


@app.command()
def render(
    tenant: OptionalTenantArgument = None,
    of: TenantOption = None,
    filename: Annotated[
        str | None, typer.Option("--filename", "-f", help="a file, without a control plane")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="write to this file")] = None,
    output: OutputOption = Format.JSON,
) -> None:
    """Print everything that follows from a tenant's document."""
    document = _rendered(tenant_of(tenant, of), filename)
    if to is not None:
        _write(to, as_text(document, Format.YAML if output is Format.YAML else Format.JSON))
        print(to)
    elif output is Format.TABLE:
        pages.show(document)
    else:
        print_document(document, output)


def _rendered(tenant: str | None, filename: str | None) -> Blueprint:
    if (tenant is None) == (filename is None):
        raise USAGE(mistake="name either a tenant, or a file with -f", remedy="give one of the two")
    if tenant is not None:
        return connect().get(f"{tenant_path(tenant)}/blueprint", Blueprint)
    sources = files.read([filename or ""])
    if len(sources) != 1:
        raise USAGE(
            mistake=f"{filename} has {len(sources)} tenants", remedy="name a file with a single one"
        )
    platform = settings.platform()
    document = settled(sources[0].tenant, platform)
    return rendering.render(document, platform=platform, keys=None, generation=1)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise UNWRITABLE(reason=error.strerror, where=path) from None
