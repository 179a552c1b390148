"""`penguin get`: lists tenants, operations, messages and events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cli.api import Api, connect
from cli.errors import CliError
from cli.output import Format, OutputOption, print_document, print_rows

app = typer.Typer()
COLUMNS = {
    "tenants": ("name", "ready", "reason", "generation", "observed_generation", "age"),
    "operations": ("id", "tenant", "phase", "kind", "outcome", "error_code", "age"),
    "messages": ("id", "state", "sender", "recipient", "age"),
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
        raise CliError(
            "usage", f"{kind} is not known", remedy=f"use one of: {', '.join(COLUMNS)}", status=2
        )
    api = connect()
    if name is not None:
        found = api.get(f"/{kind}/{name}")
        rows = [row_of(found)]
        if output is not Format.TABLE:
            print_document(found, output)
            return
    else:
        rows = [row_of(item) for item in _items(api, kind, tenant)]
    print_rows(rows, COLUMNS[kind], output)


def row_of(item: dict[str, Any]) -> dict[str, Any]:
    """Add what a table shows: readiness and age."""
    row = dict(item)
    ready = next(
        (c for c in item.get("conditions", ()) if (c["subject"], c["type"]) == ("tenant", "Ready")),
        None,
    )
    if ready is not None:
        row |= {"ready": ready["status"], "reason": ready["reason"]}
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
    if kind == "operations":
        names = [tenant] if tenant else [item["name"] for item in api.pages("/tenants")]
        return [row for name in names for row in api.pages(f"/tenants/{name}/operations")]
    if kind == "events":
        query = {"tenant": tenant} if tenant else {}
        return list(api.get("/events", **query)["items"])
    query = {"tenant": tenant} if tenant and kind == "messages" else {}
    return list(api.pages(f"/{kind}", **query))
