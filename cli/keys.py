"""`penguin keys`: create and revoke API keys; `penguin get keys` lists them."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.api import connect, path_of
from cli.consent import require_consent
from cli.faults import USAGE
from cli.names import OptionalTenantArgument, tenant_name
from cli.output import Format, OutputOption, print_result
from controlplane.identity.keys import Scope
from controlplane.keys.schemas import NewKeyView

app = typer.Typer(help="API keys of operators and tenants.", no_args_is_help=True)


@app.command()
def create(
    tenant: OptionalTenantArgument = None,
    operator: Annotated[
        bool, typer.Option("--operator", help="a key of no tenant: for all of them")
    ] = False,
    scope: Annotated[
        list[Scope],
        typer.Option("--scope", help="what it may do; repeatable; every scope if left out"),
    ] = [],  # noqa: B006 - never mutated
    output: OutputOption = Format.TABLE,
) -> None:
    """Create a key of a tenant, or of an operator. It is shown only now."""
    if bool(tenant) == operator:
        raise USAGE(
            mistake="a key belongs to a tenant or to an operator",
            remedy="give the name of the tenant, or --operator",
        )
    body = {
        "tenant": tenant_name(tenant) if tenant else None,
        "scopes": scope or list(Scope),
    }
    key = connect().post("/keys", NewKeyView, body)
    print_result(f"key/{key.prefix} created; it is shown only now:\n{key.key}", key, output)


@app.command()
def revoke(
    prefix: Annotated[str, typer.Argument(help="as `penguin get keys` shows it")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Revoke a key: the next request with it is refused."""
    path = path_of("keys", prefix)
    if not yes:
        require_consent(f"Revoke the key {prefix}?", f"penguin keys revoke {prefix}")
    connect().delete(path)
    print_result(f"key/{prefix} revoked", {"prefix": prefix, "outcome": "revoked"}, output)
