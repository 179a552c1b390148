"""`penguin describe`: everything about one tenant."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any

import typer

from blueprint.cost import dollars
from blueprint.tenant import Warmup
from blueprint.warmup import ADDRESS
from cli.api import Api, connect, tenant_path
from cli.errors import CliError, UsageError
from cli.get import age
from cli.output import Format, OutputOption, print_document, shown

app = typer.Typer()
EVENTS = 8
OPERATIONS = 5
KEYS_PENDING = "tenant.keys_pending"
MARKS = {"True": "✓", "False": "✗", "Unknown": "?"}


@app.command()
def describe(
    kind: Annotated[str, typer.Argument(help="tenant")],
    name: Annotated[str, typer.Argument()],
    output: OutputOption = Format.TABLE,
) -> None:
    """Show a tenant: conditions, hosts, addresses, records to set by hand, cost, events."""
    if kind not in ("tenant", "tenants"):
        raise UsageError(f"{kind} cannot be described", remedy="use tenant")
    api = connect()
    tenant = api.get(tenant_path(name))
    blueprint = _blueprint(api, tenant)
    operations = api.get(f"{tenant_path(name)}/operations", limit=OPERATIONS)["items"]
    events = api.get("/events", tenant=name, latest=True, limit=EVENTS)["items"]
    if output is not Format.TABLE:
        whole = {"tenant": tenant, "blueprint": blueprint, "operations": operations}
        print_document({**whole, "events": events}, output)
        return
    _head(tenant)
    _conditions(tenant["conditions"])
    _hosts(blueprint)
    _records("Records to set by hand, once", blueprint, "manual")
    _cost(blueprint["cost"])
    if operations:
        print("\nOperations")
        for operation in operations:
            outcome = operation["outcome"] or operation["progress"]
            error = ""
            if operation["error_code"]:
                error = f"  {operation['error_code']}: {operation['error_message']}"
            when = age(operation["started_at"])
            what = f"{operation['phase']:<14} {operation['kind']:<9} {outcome}{error}"
            print(shown(f"  {when:>5}  {what}"))
    if events:
        print("\nEvents")
        for event in events:
            text = f"{event['subject']} {event['kind']} {event['reason']}: {event['message']}"
            print(shown(f"  {age(event['at']):>5}  {text}"))


def _blueprint(api: Api, tenant: dict[str, Any]) -> dict[str, Any]:
    """Return the tenant's blueprint; before its keys exist, what is known without them."""
    try:
        found: dict[str, Any] = api.get(f"{tenant_path(tenant['name'])}/blueprint")
    except CliError as error:
        if error.code != KEYS_PENDING:
            raise
        return api.render(tenant["document"])
    return found


def _head(tenant: dict[str, Any]) -> None:
    spec = tenant["document"]["spec"]
    print(f"Name:        {tenant['name']}")
    print(f"Plan:        {spec['plan']}, region {spec['region']}")
    print(f"Generation:  {tenant['generation']} (observed {tenant['observed_generation']})")
    if tenant["paused"]:
        print(shown(f"Paused:      {_by(tenant['paused'])}"))
    domains = [f"{domain['name']} ({domain['dns']})" for domain in spec["domains"]]
    mailboxes = [f"{box['address']} ({box['daily_cap']} a day)" for box in spec["mailboxes"]]
    print(f"Domains:     {', '.join(domains)}")
    print(f"Mailboxes:   {', '.join(mailboxes) or '-'}")
    curve = ADDRESS[Warmup(spec["sending"]["warmup"])]
    growth = f"each address from {curve.start} to {curve.target} a day in {curve.days} days"
    print(f"Warm-up:     {spec['sending']['warmup']}: {growth}")


def _by(entry: dict[str, Any]) -> str:
    """Say why, by whom and since when an operator interferes."""
    return f"{entry['reason']} (by key {entry['actor']}, {age(entry['since'])} ago)"


def _conditions(conditions: list[dict[str, Any]]) -> None:
    subjects: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for condition in conditions:
        subjects[condition["subject"]].append(condition)
    print("\nConditions")
    if not conditions:
        print("  none yet: the reconciler has not been here (does `penguin serve` run?)")
    for subject in sorted(subjects, key=lambda name: (name != "tenant", name)):
        print(f"  {subject}")
        for c in subjects[subject]:
            line = f"    {MARKS[c['status']]} {c['type']:<20} {c['status']:<8} {c['reason']}"
            print(shown(f"{line}  {c['message']}".rstrip()))


def _hosts(blueprint: dict[str, Any]) -> None:
    print("\nHosts")
    for host in blueprint["hosts"]:
        size = f"{host['cpu']} CPU, {host['ram_mb'] // 1024} GB"
        print(f"  {host['name']}  {host['server_name']}  {size}, {host['location']}")
        for address in host["addresses"]:
            use = "bulk mail" if address["sends_bulk"] else "people's mail"
            print(f"    {address['name']:<8} {address['helo']:<32} {use}")


def print_blueprint(blueprint: dict[str, Any]) -> None:
    """Print what a tenant's document comes to: hosts, addresses, records, cost."""
    print(f"Tenant:      {blueprint['tenant']}, generation {blueprint['generation']}")
    print(f"Digest:      {blueprint['digest']}")
    _hosts(blueprint)
    _records("Records in zones at Cloudflare", blueprint, "cloudflare")
    _records("Records to set by hand, once", blueprint, "manual")
    _cost(blueprint["cost"])


def _records(title: str, blueprint: dict[str, Any], provider: str) -> None:
    found = [record for record in blueprint["records"] if record["provider"] == provider]
    if not found:
        return
    print(f"\n{title}")
    for record in found:
        print(f"  {record['name']:<44} {record['type']:<6} {value_of(record)}")


def value_of(record: dict[str, Any]) -> str:
    """Show what a record of a blueprint holds."""
    if record["address"]:
        return f"(number of {record['address']})"
    priority = f"{record['priority']} " if record["priority"] is not None else ""
    return f"{priority}{record['content']}"


def _cost(cost: dict[str, Any]) -> None:
    print(f"\nMonthly cost: {dollars(cost['usd_cents'])}")
    for item in cost["items"]:
        estimate = "  (estimate)" if item["estimate"] else ""
        print(f"  {item['item']:<28} {dollars(item['usd_cents']):>9}{estimate}")
