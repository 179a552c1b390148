"""`penguin diff`: what `penguin apply` would change, and what it would cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from blueprint.cost import dollars
from cli import files
from cli.api import Api, connect
from cli.apply import FilesOption
from cli.output import Format, OutputOption, print_document

app = typer.Typer()
CHANGED = 2
"""Exit code where something differs."""


@app.command()
def diff(filename: FilesOption, output: OutputOption = Format.TABLE) -> int:
    """Compare files with the control plane. Exit code 0: nothing differs; 2: something does."""
    api = connect()
    found = [_compared(api, files.plain(tenant)) for tenant in files.read(filename)]
    if output is Format.TABLE:
        for tenant in found:
            _print(tenant)
    else:
        print_document(found, output)
    return CHANGED if any(tenant["changes"] for tenant in found) else 0


def _compared(api: Api, document: dict[str, Any]) -> dict[str, Any]:
    name = document["metadata"]["name"]
    there = api.find(f"/tenants/{name}")
    planned = api.send("POST", "/blueprints", document).json()
    current = api.find(f"/tenants/{name}/blueprint") if there else None
    before = (there or {}).get("document") or {}
    spec = list(differences(before.get("spec") or {}, document["spec"], "spec"))
    changes = [*spec, *_parts(current or {}, planned)] if spec or not there else []
    return {
        "tenant": name,
        "exists": there is not None,
        "changes": changes,
        "cost_before": current["cost"]["usd_cents"] if current else 0,
        "cost_after": planned["cost"]["usd_cents"],
    }


def differences(old: Any, new: Any, path: str) -> Iterator[dict[str, Any]]:
    """Yield each value that differs, with its path."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from differences(old.get(key), new.get(key), f"{path}.{key}")
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else None
            after = new[index] if index < len(new) else None
            yield from differences(before, after, f"{path}[{index}]")
    elif old != new:
        yield {"what": path, "old": old, "new": new}


def _parts(old: dict[str, Any], new: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield hosts, addresses and records that come, go, or change."""
    for kind, table in (("host", _hosts), ("address", _addresses), ("record", _records)):
        before, after = table(old), table(new)
        for key in sorted(before.keys() | after.keys()):
            if before.get(key) != after.get(key):
                yield {"what": f"{kind} {key}", "old": before.get(key), "new": after.get(key)}


def _hosts(blueprint: dict[str, Any]) -> dict[str, Any]:
    return {h["name"]: f"{h['server_name']} {h['size']}" for h in blueprint.get("hosts", ())}


def _addresses(blueprint: dict[str, Any]) -> dict[str, Any]:
    return {a["name"]: a["helo"] for h in blueprint.get("hosts", ()) for a in h["addresses"]}


def _records(blueprint: dict[str, Any]) -> dict[str, Any]:
    return {
        r["key"]: f"{r['name']} {r['type']} {r['content'] or r['address']}"
        for r in blueprint.get("records", ())
    }


def _print(tenant: dict[str, Any]) -> None:
    if not tenant["changes"]:
        print(f"tenant/{tenant['tenant']} no changes")
        return
    print(f"tenant/{tenant['tenant']} {'changes' if tenant['exists'] else 'is new'}")
    for change in tenant["changes"]:
        if change["old"] is None:
            print(f"  + {change['what']}: {change['new']}")
        elif change["new"] is None:
            print(f"  - {change['what']}: {change['old']}")
        else:
            print(f"  ~ {change['what']}: {change['old']} -> {change['new']}")
    print(f"  monthly cost: {dollars(tenant['cost_before'])} -> {dollars(tenant['cost_after'])}")
