"""`penguin get`: list tenants, operations, messages, events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from blueprint.cost import dollars
from cli.api import Api, connect, path_of, tenant_path
from cli.errors import CliError, UsageError
from cli.output import Format, OutputOption, print_document, print_rows

app = typer.Typer()
COLUMNS = {
    "tenants": ("name", "ready", "generation", "reason", "age", "cost"),
    "operations": ("id", "tenant", "phase", "kind", "outcome", "error_code", "age"),
    "messages": ("id", "state", "reason", "from", "to", "subject", "age"),
    "events": ("at", "tenant", "subject", "reason", "message"),
}
SINGULAR = {"tenant": "tenants", "operation": "operations", "message": "messages"}


@app.command()
def get(
    kind: Annotated[str, typer.Argument(help=", ".join(COLUMNS))],
    name: Annotated[str | None, typer.Argument(help="one of them")] = None,
    tenant: Annotated[str | None, typer.Option(help="of this tenant")] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """List resources, or show one."""
    kind = SINGULAR.get(kind, kind)
    if kind not in COLUMNS:
        raise UsageError(f"{kind} is not known", remedy=f"use one of: {', '.join(COLUMNS)}")
    api = connect()
    if name is not None:
        found = _one(api, kind, name)
        if output is not Format.TABLE:
            print_document(found, output)
            return
        rows = [row_of(found)]
    else:
        rows = [row_of(item) for item in _items(api, kind, tenant)]
    print_rows(rows, COLUMNS[kind], output)


def _one(api: Api, kind: str, name: str) -> dict[str, Any]:
    if kind == "events":
        raise UsageError("events have no name", remedy="use --tenant to see a tenant's")
    found: dict[str, Any] = api.get(path_of(kind, name))
    # A message comes with every decision about it; `penguin explain` shows those.
    message: dict[str, Any] = found.get("message", found)
    return message


def row_of(item: dict[str, Any]) -> dict[str, Any]:
    """Add what a table shows: readiness, cost and age."""
    row = dict(item)
    ready = next(
        (c for c in item.get("conditions", ()) if (c["subject"], c["type"]) == ("tenant", "Ready")),
        None,
    )
    if ready is not None:
        row |= {"ready": ready["status"], "reason": ready["reason"]}
    elif "conditions" in item:
        row |= {"ready": "Unknown", "reason": "NotYetReported"}
    if "monthly_cost_usd_cents" in item:
        row["cost"] = dollars(item["monthly_cost_usd_cents"])
    begun = item.get("created_at") or item.get("started_at")
    if begun:
        row["age"] = age(begun)
    return row


def age(begun: str) -> str:
    """Print how long ago something was: 12s, 5m, 3h, 2d."""
    passed = int((datetime.now(UTC) - datetime.fromisoformat(begun)).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if passed >= 2 * size:
            return f"{passed // size}{unit}"
    return f"{max(passed, 0)}s"


def _items(api: Api, kind: str, tenant: str | None) -> list[dict[str, Any]]:
    if kind == "tenants":
        return [api.get(tenant_path(tenant))] if tenant else list(api.pages("/tenants", limit=100))
    if kind == "operations":
        path = f"{tenant_path(tenant)}/operations" if tenant else "/operations"
        return list(api.pages(path, limit=100))
    if kind == "events":
        return list(_events(api, tenant))
    return _messages(api, tenant)


def _events(api: Api, tenant: str | None) -> Iterator[dict[str, Any]]:
    cursor = 0
    query = {"tenant": tenant} if tenant else {}
    while True:
        page = api.get("/events", cursor=cursor, limit=1000, **query)
        yield from page["items"]
        if not page["items"]:
            return
        cursor = page["next"]


def _messages(api: Api, tenant: str | None) -> list[dict[str, Any]]:
    """Return messages; an operator's key has none of its own, so it sees each tenant's."""
    if tenant:
        return list(api.pages("/messages", tenant=tenant, limit=100))
    try:
        return list(api.pages("/messages", limit=100))
    except CliError as error:
        if error.code != "message.tenant_missing":
            raise
    names = [item["name"] for item in api.pages("/tenants", limit=100)]
    return [row for name in names for row in api.pages("/messages", tenant=name, limit=100)]
