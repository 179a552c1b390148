"""Compares providers, purchases, the engine's states and the database; knows no code of ours.

`python -m tests.chaos.reconciler.auditor FILE` reads where to look, and prints JSON: a list of
findings by kind, all of which are empty where nothing is wrong.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psycopg

KINDS = (
    "double_purchases",
    "destroyed",
    "orphans",
    "foreign",
    "stuck",
    "mismatches",
    "leftovers",
    "pending",
)
TENANTS = "select id, name, generation, deleting, document from oltp.tenants order by name"
READY = """
select tenant_id from oltp.conditions
where subject = 'tenant' and type = 'Ready' and status = 'True' and observed_generation >= %s
  and tenant_id = %s
"""
LISTED = "select distinct tenant_id from oltp.conditions where acts is not null"
WHY = """
select subject, type, status, reason, left(message, 160) from oltp.conditions
where tenant_id = %s and status <> 'True' order by subject = 'tenant' desc, subject limit 4
"""
HOSTS = "select tenant_id, name, incarnation from oltp.hosts"
LEDGER = """
select key, outcome, ordered, closed_at is null from purchase.intents order by opened_at
"""
STATES = """
select key, data ->> 'data' from pulumi.pulumi_state where key ~ '/\\.pulumi/stacks/penguin/'
"""
INSTANCE, ADDRESS = "hostwinds:index:Instance", "hostwinds:index:SecondaryAddress"
POINTER, RECORD = "hostwinds:index:ReverseDns", "cloudflare:index/dnsRecord:DnsRecord"
LABEL = re.compile(
    r"[a-z0-9]+-(?P<tenant>[a-z0-9]+)-(?P<host>[a-z0-9]+)-[0-9a-f]{10}(-(?P<n>\d+))?"
)
GZIP = b"\x1f\x8b"
PER_PAGE = 100

Findings = dict[str, list[str]]


@dataclass
class Tenant:
    """A tenant as the database has it."""

    id: Any
    name: str
    is_deleting: bool
    hosts: dict[str, int]
    """Addresses by host."""
    is_ready: bool
    is_listed: bool
    """Whether a person has to act."""
    why: str
    """It is not ready."""


@dataclass
class World:
    """All that was read."""

    servers: dict[int, dict[str, Any]]
    """Of the provider, by number."""
    records: dict[str, dict[str, Any]]
    """Of all zones, by id."""
    history: list[dict[str, Any]]
    """What was declared, bought and ended, in its order."""
    tenants: dict[str, Tenant]
    ledger: list[tuple[str, str | None, bool, bool]]
    """Key, outcome, whether it was ordered, whether it is open."""
    states: dict[str, list[dict[str, Any]]]
    """Resources by stack."""
    pending: dict[str, int]
    """Operations that an engine had begun and not ended, by stack: it keeps them in the state."""
    incarnations: dict[tuple[Any, str], int]
    pointers: dict[str, str]
    mark: str
    """How labels of ours begin."""
    comment: str
    """How comments of ours begin."""
    foreign: dict[str, Any] = field(default_factory=dict)


def audit(path: Path) -> dict[str, Any]:
    """Return the findings by kind, and how much there is of everything."""
    world = _read(json.loads(path.read_text()))
    findings: Findings = {kind: [] for kind in KINDS}
    findings["double_purchases"] += _double_purchases(world)
    findings["destroyed"] += _destroyed(world)
    findings["orphans"] += _orphaned_servers(world)
    findings["foreign"] += _touched(world)
    findings["stuck"] += _stuck(world)
    findings["mismatches"] += _mismatches(world)
    findings["leftovers"] += _leftovers(world)
    findings["pending"] += _pending(world)
    counts = {
        "tenants": len(world.tenants),
        "listed": sum(tenant.is_listed for tenant in world.tenants.values()),
        "servers": len(world.servers),
        "records": len(world.records),
        "bought": sum(line["event"] == "bought" for line in world.history),
        "ended": sum(line["event"].startswith("ended") for line in world.history),
        "purchases": len(world.ledger),
    }
    return {**findings, "counts": counts}


def _double_purchases(world: World) -> Iterator[str]:
    """A server was bought under a name that another one had at that moment."""
    alive: defaultdict[str, set[int]] = defaultdict(set)
    for line in world.history:
        name = line.get("name", "")
        if not name.startswith(world.mark):
            continue
        if line["event"] != "bought":
            alive[name].discard(line["id"])
            continue
        if alive[name]:
            yield f"{name} was bought as {line['id']} beside {sorted(alive[name])}"
        alive[name].add(line["id"])


def _destroyed(world: World) -> Iterator[str]:
    """A server was ended by us after its tenant had converged to a document that wants it."""
    declared: dict[str, list[str]] = {}
    settled: dict[str, list[str]] = {}
    for line in world.history:
        match line["event"]:
            case "declared":
                declared[line["tenant"]] = line["hosts"]
                settled.pop(line["tenant"], None)
            case "settled":
                settled[line["tenant"]] = declared.get(line["tenant"], [])
            case "ended" if label := LABEL.fullmatch(line["name"]):
                if label["host"] in settled.get(label["tenant"], ()):
                    yield f"{line['name']} was ended, and the document wants it"


def _orphaned_servers(world: World) -> Iterator[str]:
    """A server or an address of ours that no document wants, and that is paid for."""
    seen: Counter[tuple[str, str]] = Counter()
    for number, server in world.servers.items():
        if not server["name"].startswith(world.mark):
            continue
        label = LABEL.fullmatch(server["name"])
        where = (label["tenant"], label["host"]) if label else ("", "")
        tenant = world.tenants.get(where[0])
        wanted = 0 if tenant is None or tenant.is_deleting else tenant.hosts.get(where[1], 0)
        is_excused = tenant is not None and tenant.is_listed
        seen[where] += 1
        if is_excused:
            continue
        if not wanted or seen[where] > 1:
            yield f"server {number} {server['name']} is wanted by no document"
        elif len(server["addresses"]) > wanted:
            yield f"server {number} {server['name']} has {server['addresses']}, not {wanted}"


def _leftovers(world: World) -> Iterator[str]:
    """A record with our mark that the state of no present tenant has."""
    known = {
        resource["id"] for rows in world.states.values() for resource in rows if resource.get("id")
    }
    for id_, record in world.records.items():
        comment = record.get("comment") or ""
        if not comment.startswith(world.comment):
            continue
        tenant = world.tenants.get(comment.split(":")[2])
        if tenant is None or (id_ not in known and not tenant.is_listed):
            yield f"record {record['type']} {record['name']} ({comment}) is in no state"


def _pending(world: World) -> Iterator[str]:
    """An operation that a killed engine had begun, in the state of a tenant that has converged."""
    for name, count in world.pending.items():
        tenant = world.tenants.get(name)
        if count and not (tenant is not None and tenant.is_listed):
            yield f"{name}: {count} operations are pending in the state"


def _touched(world: World) -> Iterator[str]:
    """Something that is not ours has changed."""
    for planted in world.foreign["servers"]:
        server = world.servers.get(planted["id"])
        if server is None:
            yield f"server {planted['id']} {planted['name']} is gone"
        elif (server["name"], server["addresses"]) != (planted["name"], planted["addresses"]):
            yield f"server {planted['id']} {planted['name']} is {server}"
    for planted in world.foreign["records"]:
        record = world.records.get(planted["id"])
        keys = ("type", "name", "content", "comment", "modified_on")
        if record is None:
            yield f"record {planted['type']} {planted['name']} is gone"
        elif any(record.get(key) != planted.get(key) for key in keys):
            yield f"record {planted['type']} {planted['name']} has changed"


def _stuck(world: World) -> Iterator[str]:
    """A tenant that has neither converged nor is listed for a person."""
    for tenant in world.tenants.values():
        if not tenant.is_listed and (tenant.is_deleting or not tenant.is_ready):
            what = "deleted" if tenant.is_deleting else "ready"
            yield f"{tenant.name} is not {what}: {tenant.why}"


def _mismatches(world: World) -> Iterator[str]:
    """Document, state, ledger and provider do not have the same."""
    for name, rows in world.states.items():
        tenant = world.tenants.get(name)
        if tenant is None:
            if any(row["type"] in (INSTANCE, ADDRESS, RECORD) for row in rows):
                yield f"{name} is deleted, and its state has resources"
        elif not tenant.is_listed:
            yield from _of_state(world, tenant, rows)
    for tenant in world.tenants.values():
        if not tenant.is_listed and not tenant.is_deleting:
            yield from _of_document(world, tenant)
    yield from _of_ledger(world)


def _of_state(world: World, tenant: Tenant, rows: list[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        inputs, outputs = row.get("inputs") or {}, row.get("outputs") or {}
        number = _number(outputs.get("serviceId", inputs.get("serviceId")))
        server = world.servers.get(number)
        shown = f"{tenant.name}: {row['urn'].rpartition('::')[2]}"
        if row["type"] == INSTANCE:
            if server is None or server["name"] != inputs["serverName"]:
                yield f"{shown} is server {number} in the state, and {server} at the provider"
        elif row["type"] == ADDRESS:
            address = outputs.get("address")
            if address and (server is None or address not in server["addresses"]):
                yield f"{shown} is {address} in the state, and server {number} is {server}"
        elif row["type"] == POINTER:
            address, wanted = inputs["address"], inputs["hostname"]
            if world.pointers.get(address) != wanted:
                yield f"{shown}: {address} is {world.pointers.get(address)}, not {wanted}"
        elif row["type"] == RECORD and row.get("id") not in world.records:
            yield f"{shown}: record {row.get('id')} of the state does not exist"


def _of_document(world: World, tenant: Tenant) -> Iterator[str]:
    for host, count in tenant.hosts.items():
        servers = [
            server
            for server in world.servers.values()
            if server["name"].startswith(world.mark)
            and (label := LABEL.fullmatch(server["name"])) is not None
            and (label["tenant"], label["host"]) == (tenant.name, host)
        ]
        shown = f"{tenant.name}: {host}"
        if len(servers) != 1:
            yield f"{shown} has {len(servers)} servers at the provider"
            continue
        [server] = servers
        label = LABEL.fullmatch(server["name"])
        incarnation = world.incarnations.get((tenant.id, host))
        if label is None or int(label["n"] or 1) != incarnation:
            yield f"{shown} is {server['name']}, and its incarnation is {incarnation}"
        if len(server["addresses"]) != count:
            yield f"{shown} has {server['addresses']}, and the document wants {count}"
        outcomes = [
            outcome
            for key, outcome, _, is_open in world.ledger
            if key == server["name"] and is_open
        ]
        if outcomes != [str(server["serviceid"])]:
            yield f"{shown} is server {server['serviceid']}, and {outcomes} in the ledger"


def _of_ledger(world: World) -> Iterator[str]:
    for key, outcome, ordered, is_open in world.ledger:
        if not is_open or not ordered:
            continue
        label = LABEL.fullmatch(key.split("/")[1] if "/" in key else key)
        tenant = world.tenants.get(label["tenant"]) if label else None
        if tenant is not None and tenant.is_listed:
            continue
        if tenant is None:
            yield f"purchase {key} is open, and its tenant is deleted"
        elif outcome is None:
            yield f"purchase {key} has no outcome"
        elif "/" in key:
            server = world.servers.get(int(key.split("/")[0]))
            if server is None or outcome not in server["addresses"]:
                yield f"purchase {key} is {outcome}, which the server does not have: {server}"
        elif int(outcome) not in world.servers:
            yield f"purchase {key} is server {outcome}, which does not exist"


def _number(value: Any) -> int:
    return int(value) if value not in (None, "") else 0


def _read(given: dict[str, Any]) -> World:
    history = Path(given["history"])
    lines = history.read_text().splitlines() if history.exists() else ()
    with httpx2.Client(trust_env=False, timeout=30) as client:
        servers = client.get(f"{given['hostwinds']}/_lab/portal/servers").json()
        records = dict(_records(client, given["cloudflare"], given["token"]))
    with psycopg.connect(given["dsn"], autocommit=True) as database:
        tenants = {tenant.name: tenant for tenant in _tenants(database)}
        ledger = database.execute(LEDGER).fetchall()
        incarnations = {(row[0], row[1]): row[2] for row in database.execute(HOSTS).fetchall()}
        states = dict(_states(database))
    return World(
        servers={server["serviceid"]: server for server in servers},
        records=records,
        history=[json.loads(line) for line in lines],
        tenants=tenants,
        ledger=ledger,
        states={name: rows for name, (rows, _) in states.items()},
        pending={name: pending for name, (_, pending) in states.items()},
        incarnations=incarnations,
        pointers=given["pointers"],
        mark=f"{given['installation']}-",
        comment=f"pm:{given['installation']}:",
        foreign=given["foreign"],
    )


def _records(client: httpx2.Client, url: str, token: str) -> Iterator[tuple[str, dict[str, Any]]]:
    def pages(path: str) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            answer = client.get(
                f"{url}{path}",
                params={"page": page, "per_page": PER_PAGE},
                headers={"Authorization": f"Bearer {token}"},
            )
            answer.raise_for_status()
            body = answer.json()
            yield from body["result"]
            if page >= body["result_info"]["total_pages"]:
                return
            page += 1

    for zone in list(pages("/zones")):
        for record in pages(f"/zones/{zone['id']}/dns_records"):
            yield record["id"], record


def _tenants(database: psycopg.Connection[Any]) -> Iterator[Tenant]:
    listed = {row[0] for row in database.execute(LISTED).fetchall()}
    for id_, name, generation, deleting, document in database.execute(TENANTS).fetchall():
        ready = database.execute(READY, (generation, id_)).fetchone() is not None
        why = database.execute(WHY, (id_,)).fetchall()
        yield Tenant(
            id_,
            name,
            deleting,
            {host["name"]: host.get("addresses", 1) for host in document["spec"]["hosts"]},
            ready,
            id_ in listed,
            "; ".join(" ".join(map(str, row)) for row in why),
        )


def _states(
    database: psycopg.Connection[Any],
) -> Iterator[tuple[str, tuple[list[dict[str, Any]], int]]]:
    for key, text in database.execute(STATES).fetchall():
        name = key.rpartition("/")[2].removesuffix(".gz")
        if not name.endswith(".json"):
            continue
        content = base64.b64decode(text)
        plain = gzip.decompress(content) if content.startswith(GZIP) else content
        latest = (json.loads(plain).get("checkpoint") or {}).get("latest") or {}
        rows = latest.get("resources") or []
        yield name.removesuffix(".json"), (rows, len(latest.get("pending_operations") or ()))


if __name__ == "__main__":
    print(json.dumps(audit(Path(sys.argv[1])), indent=1))
