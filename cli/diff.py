"""`penguin diff`: show what apply would change, and what it would cost."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import typer

from blueprint.cost import dollars
from blueprint.document import Record
from blueprint.instructions import value_of
from blueprint.loading import Source
from cli import changes, files
from cli.api import Api, connect, tenant_path
from cli.apply import FilesOption
from cli.changes import Change
from cli.output import Format, OutputOption, plain, print_document
from cli.terminal import printable
from controlplane.conditions.model import DRIFTED, TENANT, Status
from controlplane.tenants.schemas import TenantView

app = typer.Typer()
CHANGED = 2
"""Exit code where something differs."""


@dataclass(frozen=True)
class Cost:
    """A month at the provider, in US cents."""

    before: int
    after: int


@dataclass(frozen=True)
class Difference:
    """What applying one document would change."""

    tenant: str
    is_new: bool
    document: list[Change]
    blueprint: list[Change]
    drift: str
    """What others have changed at the providers, in words; empty: nothing that was seen."""
    monthly_cost_usd_cents: Cost


@app.command()
def diff(filename: FilesOption, output: OutputOption = Format.TABLE) -> int:
    """Compare files with the control plane, and that with what it has last seen at the providers.

    Exit code 0: nothing differs; 2: something does."""
    sources = files.read(filename)
    api = connect()
    differences: list[Difference] = []
    try:
        for difference in files.each(sources, partial(_compared, api)):
            differences.append(difference)
            if output is Format.TABLE:
                _print(difference)
    finally:
        if output is not Format.TABLE:
            print_document(differences, output)
    return CHANGED if any(_differs(item) for item in differences) else 0


def _differs(difference: Difference) -> bool:
    return bool(difference.document or difference.blueprint or difference.drift)


def _compared(api: Api, source: Source) -> Difference:
    """Compare one document. Both sides are rendered by the same API."""
    applied = api.find(tenant_path(source.name), TenantView)
    new = api.render(source.tenant)
    old = api.render(applied.document) if applied else None
    wanted = source.tenant.model_copy(update={"spec": new.spec})  # with what it leaves out
    documents = changes.of_documents(plain(applied.document), plain(wanted)) if applied else ()
    return Difference(
        tenant=source.name,
        is_new=old is None,
        document=list(documents),
        blueprint=list(changes.of_blueprints(old, new)),
        drift=_drift(applied) if applied else "",
        monthly_cost_usd_cents=Cost(old.cost.usd_cents if old else 0, new.cost.usd_cents),
    )


def _drift(applied: TenantView) -> str:
    """Return what the last look at the providers found, as the condition says it."""
    return next(
        (
            each.message
            for each in applied.conditions
            if (each.subject, each.type, each.status) == (TENANT, DRIFTED, Status.TRUE)
        ),
        "",
    )


def _print(difference: Difference) -> None:
    if difference.drift:
        print(printable(f"tenant/{difference.tenant} has drifted: {difference.drift}"))
    if not difference.document and not difference.blueprint:
        print(f"tenant/{difference.tenant} unchanged")
        return
    print(f"tenant/{difference.tenant}{' is new' if difference.is_new else ''}")
    for change in (*difference.document, *difference.blueprint):
        for line in _lines(change):
            print(printable(f"  {line}"))
    before, after = (
        difference.monthly_cost_usd_cents.before,
        difference.monthly_cost_usd_cents.after,
    )
    sign = "+" if after >= before else "-"
    print(
        f"  monthly cost: {dollars(before)} → {dollars(after)} "
        f"({sign}{dollars(abs(after - before))})"
    )


def _lines(change: Change) -> list[str]:
    """Return the lines of one change: for a changed resource, one for each key."""
    if change.before is None:
        return [f"+ {change.what}: {_short(change.after)}"]
    if change.after is None:
        return [f"- {change.what}: {_short(change.before)}"]
    if not isinstance(change.after, dict) or not isinstance(change.before, dict):
        return [f"~ {change.what}: {_short(change.before)} → {_short(change.after)}"]
    return [
        f"~ {change.what} {part.what}: {_short(part.before)} → {_short(part.after)}"
        for part in changes.of_documents(change.before, change.after)
    ]


def _short(value: Any) -> str:
    """Return a value in one line; of hosts, addresses and records the identifying fields."""
    if not isinstance(value, dict):
        return "none" if value is None else str(value)
    if "comment" in value:
        where = "" if value["provider"] == "cloudflare" else "  (by hand)"
        record = Record.model_validate(value, extra="ignore")
        return f"{record.name} {record.type} {value_of(record)}{where}"
    if "helo" in value:
        return f"{value['helo']} on {value['host']}, {value['role']}"
    if "server_name" in value:
        return f"{value['size']} in {value['location']} as {value['server_name']}"
    return ", ".join(f"{key}={part}" for key, part in value.items())
