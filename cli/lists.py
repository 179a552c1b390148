"""Reads the resources of a kind, and makes rows of a table of them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Any

from blueprint.cost import dollars
from cli import events
from cli.api import Api, connect, path_of, tenant_path
from cli.conditions import of_subject
from cli.faults import AMBIGUOUS, NOT_FOUND
from cli.kinds import EVENT, MESSAGE, OPERATION, PARTS, PURCHASE, TENANT
from cli.names import Reference
from cli.states import in_words, reason_in_words
from cli.times import age, moment
from kit.faults import Fault

LOCAL = "penguin.lists"
"""Entry points: kinds that are read on this machine, each a function that returns documents."""

Document = dict[str, Any]


def rows(wanted: Reference, tenant: str | None, labels: Sequence[str] = ()) -> list[Document]:
    """Return the resources with what a table shows beside what they are."""
    return [row_of(document) for document in documents(wanted, tenant, labels)]


def documents(wanted: Reference, tenant: str | None, labels: Sequence[str] = ()) -> list[Document]:
    """Return one resource, or all of a kind, of one tenant or with labels where they are given."""
    if wanted.kind is PURCHASE:
        return _local(wanted)
    api = connect()
    if wanted.name is None:
        return _all(api, wanted, tenant, labels)
    if wanted.kind in PARTS:
        return [part(api, wanted, tenant)]
    found: Document = api.get(path_of(wanted.kind.plural, wanted.name))
    # A message comes with every decision about it; `penguin explain` shows those.
    return [found.get("message", found)]


def part(api: Api, wanted: Reference, tenant: str | None) -> Document:
    """Return the one part of a tenant with a name; names of hosts are a tenant's own."""
    query = {"name": wanted.name} | ({"tenant": tenant} if tenant else {})
    found = list(api.pages(f"/{wanted.kind.plural}", **query))
    if not found:
        raise NOT_FOUND(kind=wanted.kind.name, name=wanted.name, plural=wanted.kind.plural)
    if len(found) > 1:
        tenants = ", ".join(each["tenant"] for each in found)
        raise AMBIGUOUS(kind=wanted.kind.name, name=wanted.name, tenants=tenants)
    return found[0]


def row_of(item: Document) -> Document:
    """Add what a table shows: readiness, cost, age, words."""
    row = dict(item)
    if "conditions" in item:
        row |= _readiness(item["conditions"])
    if "monthly_cost_usd_cents" in item:
        row["cost"] = dollars(item["monthly_cost_usd_cents"])
    if "message_id" in item:
        row |= {"state": in_words(item["state"]), "reason": reason_in_words(item["reason"])}
    if "role" in item:
        row["use"] = "bulk mail" if item["sends_bulk"] else "people's mail"
    if "subject" in item and "kind" in item:
        row |= {"at": moment(item["at"]), "message": _message(item)}
    if "opened_at" in item:
        row["opened_at"] = moment(item["opened_at"])
    begun = item.get("created_at") or item.get("started_at")
    if begun:
        row["age"] = age(begun)
    return row


def _readiness(conditions: list[Document]) -> Document:
    ready = next((c for c in conditions if c["type"] == "Ready"), None)
    if conditions and of_subject(conditions, "tenant", "Ready") is not None:
        ready = of_subject(conditions, "tenant", "Ready")
    if ready is None:
        return {"ready": "Unknown", "reason": "NotYetReported"}
    reason = "" if ready["reason"] == "Ready" else ready["reason"]
    return {"ready": ready["status"], "reason": reason}


def _message(event: Document) -> str:
    return ": ".join(part for part in (event["reason"], event["message"]) if part)


def _all(api: Api, wanted: Reference, tenant: str | None, labels: Sequence[str]) -> list[Document]:
    kind = wanted.kind
    if kind is TENANT:
        if tenant:
            return [api.get(tenant_path(tenant))]
        return list(api.pages("/tenants", limit=100, label=list(labels)))
    if kind is OPERATION:
        path = f"{tenant_path(tenant)}/operations" if tenant else "/operations"
        return list(api.pages(path, limit=100))
    if kind is EVENT:
        return list(events.read(api, tenant))
    if kind is MESSAGE:
        return _messages(api, tenant)
    query = {"tenant": tenant} if tenant else {}
    return list(api.pages(f"/{kind.plural}", limit=100, **query))


def _messages(api: Api, tenant: str | None) -> list[Document]:
    """Return messages; an operator's key has none of its own, so it sees each tenant's."""
    if tenant:
        return list(api.pages("/messages", tenant=tenant, limit=100))
    try:
        return list(api.pages("/messages", limit=100))
    except Fault as fault:
        if fault.code.name != "message.tenant_missing":
            raise
    names = [item["name"] for item in api.pages("/tenants", limit=100)]
    return [row for name in names for row in api.pages("/messages", tenant=name, limit=100)]


def _local(wanted: Reference) -> list[Document]:
    """Read what is kept on this machine; an installation without it has none."""
    found: list[Document] = []
    for entry in entry_points(group=LOCAL, name=wanted.kind.plural):
        found += entry.load()()
    if wanted.name is None:
        return found
    named = [each for each in found if each["name"] == wanted.name]
    if not named:
        raise NOT_FOUND(kind=wanted.kind.name, name=wanted.name, plural=wanted.kind.plural)
    return named
