"""Everything that a person wants to know of a tenant, on one page."""

from __future__ import annotations

from typing import Any

from blueprint.tenant import Warmup
from blueprint.warmup import ADDRESS
from cli.api import Api, tenant_path
from cli.conditions import Types
from cli.pages import blueprint as pages
from cli.pages.history import show_conditions, show_events, show_operations
from cli.stop import stop_line
from cli.terminal import wrapped
from cli.times import moment
from kit.faults import Fault

EVENTS = 8
OPERATIONS = 5
KEYS_PENDING = "tenant.keys_pending"

Document = dict[str, Any]


def read(api: Api, name: str) -> Document:
    """Return all that the page shows."""
    tenant = api.get(tenant_path(name))
    return {
        "condition_types": api.get("/phases")["conditions"],
        "tenant": tenant,
        "stops": list(api.pages("/stops", tenant=name)),
        "blueprint": blueprint_of(api, tenant),
        "operations": api.get(f"{tenant_path(name)}/operations", limit=OPERATIONS)["items"],
        "events": api.get("/events", tenant=name, latest=True, limit=EVENTS)["items"],
    }


def blueprint_of(api: Api, tenant: Document) -> Document:
    """Return the tenant's blueprint; before its keys exist, what is known without them."""
    try:
        found: Document = api.get(f"{tenant_path(tenant['name'])}/blueprint")
    except Fault as fault:
        if fault.code.name != KEYS_PENDING:
            raise
        return api.render(tenant["document"])
    return found


def show(found: Document, *, everything: bool) -> None:
    """Print the page."""
    _head(found["tenant"], found["stops"])
    types = Types.of(found["condition_types"])
    show_conditions(types, found["tenant"]["conditions"], everything=everything)
    pages.show_hosts(found["blueprint"]["hosts"])
    by_hand = pages.records(found["blueprint"], "manual")
    pages.show_records("Records to set by hand, once", by_hand)
    pages.show_cost(found["blueprint"]["cost"])
    show_operations(found["operations"])
    show_events(found["events"])


def _head(tenant: Document, stops: list[Document]) -> None:
    spec = tenant["document"]["spec"]
    metadata = tenant["document"]["metadata"]
    labels = [f"{key}={value}" for key, value in metadata["labels"].items()]
    domains = [f"{domain['name']} ({domain['dns']})" for domain in spec["domains"]]
    mailboxes = [f"{box['address']} ({box['daily_cap']} a day)" for box in spec["mailboxes"]]
    curve = ADDRESS[Warmup(spec["sending"]["warmup"])]
    growth = f"each address from {curve.start} to {curve.target} a day in {curve.days} days"
    paused = {"Paused": _by(tenant["paused"])} if tenant["paused"] else {}
    rows = {
        "Name": tenant["name"],
        **paused,
        **({"Mail stops": "; ".join(map(stop_line, stops))} if stops else {}),
        **({"Labels": ", ".join(labels)} if labels else {}),
        "Plan": f"{spec['plan']}, region {spec['region']}",
        "Generation": f"{tenant['generation']} (observed {tenant['observed_generation']})",
        "Domains": ", ".join(domains),
        "Mailboxes": ", ".join(mailboxes) or "-",
        "Warm-up": f"{spec['sending']['warmup']}: {growth}",
    }
    for title, value in rows.items():
        print(wrapped(value, first=f"{title + ':':<13}"))


def _by(entry: Document) -> str:
    """Say why, by whom and since when an operator interferes."""
    return f"{entry['reason']} (by key {entry['actor']}, since {moment(entry['since'])})"
