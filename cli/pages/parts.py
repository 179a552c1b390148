"""A host, an address, a domain or a mailbox, on one page each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blueprint.tenant import Warmup
from blueprint.warmup import MAILBOX as MAILBOX_CURVES
from cli import lists
from cli.api import Api, tenant_path
from cli.conditions import Types
from cli.kinds import ADDRESS, DOMAIN, HOST, MAILBOX, Kind
from cli.names import Reference
from cli.pages import blueprint as pages
from cli.pages.history import show_conditions, show_events
from cli.pages.tenant import blueprint_of
from cli.terminal import wrapped

EVENTS = 8

Document = dict[str, Any]


def read(api: Api, wanted: Reference, tenant: str | None) -> Document:
    """Return all that the page of a part shows."""
    part = lists.part(api, wanted, tenant)
    owner = api.get(tenant_path(part["tenant"]))
    events = api.get(
        "/events", tenant=part["tenant"], subject=str(wanted), latest=True, limit=EVENTS
    )
    return {
        "condition_types": api.get("/phases")["conditions"],
        wanted.kind.name: part,
        "tenant": owner,
        "blueprint": blueprint_of(api, owner),
        "events": events["items"],
    }


def show(found: Document, kind: Kind, *, everything: bool) -> None:
    """Print the page."""
    part = found[kind.name]
    for title, value in HEADS[kind.name](part, found).items():
        print(wrapped(value, first=f"{title + ':':<13}"))
    of_addresses = [f"{ADDRESS.name}/{name}" for name in part.get("addresses", ())]
    conditions = [c for c in found["tenant"]["conditions"] if c["subject"] in of_addresses]
    if kind is not MAILBOX or part["conditions"]:
        types = Types.of(found["condition_types"])
        show_conditions(types, [*part["conditions"], *conditions], everything=everything)
    if kind is DOMAIN:
        _show_records(found["blueprint"], part["name"])
    show_events(found["events"], with_subject=False)


def _host(part: Document, found: Document) -> dict[str, str]:
    service = f", service {part['service_id']}" if part["service_id"] else ", not bought yet"
    [host] = [host for host in found["blueprint"]["hosts"] if host["name"] == part["name"]]
    names = [f"{a['name']} ({a['helo']}, {pages.use_of(a)})" for a in host["addresses"]]
    return {
        "Host": f"{part['name']} of tenant {part['tenant']}",
        "Server": f"{part['server_name']}{service}",
        "Size": f"{part['size']}: {part['cpu']} CPU, {part['ram_mb'] // 1024} GB memory, "
        f"{part['disk_gb']} GB disk, {part['location']}",
        "Zone": part["zone"],
        "Addresses": ", ".join(names),
    }


def _address(part: Document, _: Document) -> dict[str, str]:
    return {
        "Address": f"{part['name']} of tenant {part['tenant']}",
        "Host": part["host"],
        "HELO": f"{part['helo']} (also its A record and PTR)",
        "Use": f"{part['role']}, {pages.use_of(part)}",
    }


def _domain(part: Document, found: Document) -> dict[str, str]:
    [domain] = [d for d in found["blueprint"]["domains"] if d["name"] == part["name"]]
    boxes = [b["address"] for b in found["blueprint"]["mailboxes"] if b["domain"] == part["name"]]
    return {
        "Domain": f"{part['name']} of tenant {part['tenant']}",
        "DNS": "records are set by hand" if part["dns"] == "manual" else "written at Cloudflare",
        "DMARC": f"p={part['dmarc']}",
        "Return path": domain["return_path"],
        "Mail host": domain["mail_host"],
        "DKIM": domain["selector"] or "no key yet",
        "Mailboxes": ", ".join(boxes) or "-",
    }


def _mailbox(part: Document, found: Document) -> dict[str, str]:
    warmup = found["tenant"]["document"]["spec"]["sending"]["warmup"]
    curve = MAILBOX_CURVES[Warmup(warmup)]
    return {
        "Mailbox": f"{part['name']} of tenant {part['tenant']}",
        "Domain": part["domain"],
        "Cap": f"{part['daily_cap']} mails a day",
        "Warm-up": f"{warmup}: from {curve.start} to {curve.target} a day in {curve.days} days",
    }


HEADS: dict[str, Callable[[Document, Document], dict[str, str]]] = {
    HOST.name: _host,
    ADDRESS.name: _address,
    DOMAIN.name: _domain,
    MAILBOX.name: _mailbox,
}


def _show_records(blueprint: Document, domain: str) -> None:
    """Print a domain's records whole, so that they can be copied."""
    found = [record for record in blueprint["records"] if record["domain"] == domain]
    by_hand = [record for record in found if record["provider"] == "manual"]
    written = [record for record in found if record["provider"] != "manual"]
    pages.show_records("Records to set by hand, once", by_hand, whole=True)
    pages.show_records("Records written for it", written, whole=True)
