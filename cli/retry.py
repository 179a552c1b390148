"""`penguin retry`: try again now what has failed, of one tenant or of all with a reason."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import httpx2
import typer

from cli.api import Api, connect, tenant_path
from cli.faults import USAGE
from cli.get import SelectorOption, selection
from cli.lists import tenant_names
from cli.names import OptionalTenantArgument, TenantOption, tenant_of
from cli.output import Format, OutputOption, print_document, print_result
from controlplane.tenants.schemas import TenantView
from kit.faults import Fault, line

app = typer.Typer()
CauseOption = Annotated[
    str | None,
    typer.Option(
        "--reason", help="all tenants with a condition of this reason, or code: hostwinds.refused"
    ),
]


@app.command()
def retry(
    tenant: OptionalTenantArgument = None,
    of: TenantOption = None,
    reason: CauseOption = None,
    selector: SelectorOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Try again what has failed, also what is not repeated by itself: after its cause is gone.

    Of a tenant that is stalled or was changed by others, it is the same as applying its file again.
    """
    name, query = tenant_of(tenant, of), selection([], selector, reason)
    if (name is None) == (not query):
        raise USAGE(
            mistake="it is not clear which tenants are meant",
            remedy="name one tenant, or give --reason or --selector",
        )
    api = connect()
    if name is not None:
        print_result(f"tenant/{name} is tried again", _try_again(api, name), output)
    else:
        _try_all(api, query, output)


def _try_again(api: Api, name: str) -> TenantView:
    return api.post(f"{tenant_path(name)}/retry", TenantView, {})


def _try_all(api: Api, query: Mapping[str, Any], output: Format) -> None:
    """Try a selection, one tenant after the other; one that is refused does not stop the others."""
    # First all names: what is tried again may have another reason at the next page.
    names = list(tenant_names(api, **query))
    done: list[dict[str, Any]] = []
    failures: list[Fault] = []
    for name in names:
        try:
            tenant = _try_again(api, name)
        except Fault as fault:
            if fault.code.status != httpx2.codes.NOT_FOUND:  # else deleted since it was listed
                failures.append(fault)
            continue
        done.append({"tenant": name, "generation": tenant.generation})
        if output is Format.TABLE:
            print(f"tenant/{name} is tried again", flush=True)
    if output is not Format.TABLE:
        print_document(done, output)
    elif not done and not failures:
        print("no tenant has it: nothing is tried again")
    for failure in failures[:-1]:
        print(f"{failure.where}: {line(failure)}", file=sys.stderr)
    if failures:
        raise failures[-1]
