"""`penguin retry`: try again now what has failed, of one tenant or of all with a reason."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import httpx2
import typer

from blueprint.cost import dollars
from cli.api import Api, connect, tenant_path
from cli.bulk import YesOption
from cli.consent import require_consent
from cli.faults import USAGE
from cli.get import SelectorOption, selection
from cli.lists import tenant_names
from cli.names import OptionalTenantArgument, TenantOption, tenant_of
from cli.output import Format, OutputOption, print_document, print_result
from cli.terminal import wrapped
from controlplane.tenants.schemas import RetryRequest, TenantView, hosts_without_server
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
    yes: YesOption = False,
    no_purchases: Annotated[
        bool, typer.Option("--no-purchases", help="buy no server again")
    ] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Try again what has failed, also what is not repeated by itself: after its cause is gone.

    Of a tenant that is stalled or was changed by others, it is the same as applying its file again.
    Servers of a named tenant that have ended at the provider are bought again, after a question
    with their price; those of tenants by --reason or --selector are not.
    """
    name, query = tenant_of(tenant, of), selection([], selector, reason)
    if (name is None) == (not query):
        raise USAGE(
            mistake="it is not clear which tenants are meant",
            remedy="name one tenant, or give --reason or --selector",
        )
    if yes and name is None:
        raise USAGE(
            mistake="servers are bought again of a named tenant alone",
            remedy="leave out --yes, or name one tenant",
        )
    api = connect()
    if name is None:
        _try_all(api, query, output)
        return
    hosts = [] if no_purchases else _to_buy(api, name, yes=yes)
    bought = f"; bought again, within limits and freezes: {', '.join(hosts)}" if hosts else ""
    tried = _try_again(api, name, RetryRequest(buy_again=hosts))
    print_result(f"tenant/{name} is tried again{bought}", tried, output)


def _to_buy(api: Api, name: str, *, yes: bool) -> list[str]:
    """Return the hosts whose servers have ended; says what they cost, and asks about it."""
    tenant = api.get(tenant_path(name), TenantView)
    hosts = hosts_without_server(tenant.document, tenant.conditions)
    if tenant.deleting or not hosts:
        return []
    items = [item for item in api.render(tenant.document).cost.items if item.host in hosts]
    total = sum(item.usd_cents for item in items)
    servers = ", ".join(f"{item.item} for {dollars(item.usd_cents)} a month" for item in items)
    line = f"ended at the provider, to be bought again: {servers} (--no-purchases: buy none)"
    print(wrapped(line), file=sys.stderr, flush=True)
    if not yes:
        question = f"Buy {len(items)} server(s) again for {dollars(total)} a month?"
        require_consent(question, f"penguin retry {name}")
    return sorted(hosts)


def _try_again(api: Api, name: str, request: RetryRequest | None = None) -> TenantView:
    body = (request or RetryRequest()).model_dump(exclude_defaults=True)
    return api.post(f"{tenant_path(name)}/retry", TenantView, body)


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
