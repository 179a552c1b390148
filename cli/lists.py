"""Reads the resources of a kind, and converts them to rows of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from blueprint.cost import dollars
from cli import events
from cli.api import Api, connect, path_of, tenant_path
from cli.conditions import of_subject
from cli.faults import AMBIGUOUS, USAGE
from cli.kinds import EVENT, MESSAGE, OPERATION, PARTS, PURCHASE, TENANT, Purchase
from cli.names import Reference
from cli.output import plain
from cli.pages.blueprint import use_of
from cli.states import in_words, reason_in_words
from cli.times import age, moment
from controlplane.events.schemas import EventView
from controlplane.faults import NOT_FOUND, TENANT_MISSING
from controlplane.inventory.schemas import AddressView, DomainView, Part
from controlplane.keys.schemas import KeyView
from controlplane.messages.schemas import MessagePage
from controlplane.operations.schemas import OperationView
from controlplane.stops.schemas import StopView
from controlplane.tenants.schemas import ConditionView, TenantPage, TenantView
from kit.faults import Fault
from sender.schemas import MessageView

LOCAL = "penguin.lists"
"""Entry points: kinds that are read on this machine, each a function that returns documents."""

WITHOUT_PARTS: Mapping[str, str] = {"parts": "false"}
"""Asks for tenants without the conditions of their hosts, addresses, domains and mailboxes."""

Row = dict[str, Any]


def documents(
    reference: Reference, tenant: str | None, selection: Mapping[str, Any] = MappingProxyType({})
) -> Sequence[BaseModel]:
    """Return one resource, or all of a kind, of one tenant; of tenants, those of a selection."""
    return list(_each(reference, tenant, selection))


def table(reference: Reference, tenant: str | None, selection: Mapping[str, Any]) -> list[Row]:
    """Return the rows of a table: of many resources, no more than its columns is kept."""
    names = [column.rstrip("?") for column in reference.kind.columns]
    shown = {**WITHOUT_PARTS, **selection} if reference.kind is TENANT else selection
    rows = (row_of(resource) for resource in _each(reference, tenant, shown))
    return [{name: row.get(name) for name in names} for row in rows]


def _each(
    reference: Reference, tenant: str | None, selection: Mapping[str, Any]
) -> Iterable[BaseModel]:
    if reference.kind is PURCHASE:
        if tenant is not None:
            raise USAGE(mistake="purchases belong to no tenant", remedy="leave out --tenant")
        return _local(reference)
    api = connect()
    if reference.name is None:
        return _all(api, reference, tenant, selection)
    if reference.kind in PARTS:
        return [part(api, reference, tenant)]
    if reference.kind is MESSAGE:  # `penguin explain` shows its history
        return [api.explain(reference.name).message]
    model = TenantView if reference.kind is TENANT else OperationView
    return [api.get(path_of(reference.kind.plural, reference.name), model)]


def tenant_names(api: Api, **selection: Any) -> Iterator[str]:
    """Yield the names of all tenants, or of a selection."""
    for tenant in api.pages("/tenants", TenantPage, **WITHOUT_PARTS, **selection):
        yield tenant.name


def part(api: Api, reference: Reference, tenant: str | None) -> Part:
    """Return the part with a name, which is unique within a tenant only."""
    query = {"name": reference.name} | ({"tenant": tenant} if tenant else {})
    parts: list[Part] = list(api.pages(f"/{reference.kind.plural}", reference.kind.page, **query))
    if not parts:
        raise _not_found(reference)
    if len(parts) > 1:
        tenants = ", ".join(item.tenant for item in parts)
        raise AMBIGUOUS(kind=reference.kind.name, name=reference.name, tenants=tenants)
    return parts[0]


def row_of(item: BaseModel) -> Row:
    """Return the fields of a resource, and the columns that a table derives from them."""
    row: Row = plain(item)
    match item:
        case TenantView():
            ready = of_subject(item.conditions, "tenant", "Ready")
            cost = dollars(item.monthly_cost_usd_cents)
            row |= {**_readiness(ready), "cost": cost, "age": age(item.created_at)}
        case Part():
            row |= _readiness(next((c for c in item.conditions if c.type == "Ready"), None))
            if isinstance(item, DomainView) and item.draining:
                row |= {"ready": "False", "reason": "Draining"}
            if isinstance(item, AddressView):
                row["use"] = use_of(item)
        case OperationView():
            row["age"] = age(item.started_at)
        case MessageView():
            texts = {"state": in_words(item.state), "reason": reason_in_words(item.reason)}
            row |= texts | {"age": age(item.created_at)}
        case EventView():
            message = ": ".join(text for text in (item.reason, item.message) if text)
            row |= {"at": moment(item.at), "message": message}
        case StopView():
            name = item.tenant if item.scope == TENANT.name else item.name
            target = f"{item.scope}/{name}" if name else item.scope.value
            row |= {"target": target, "since": moment(item.since)}
        case KeyView():
            row |= {
                "tenant": item.tenant or "(operator)",
                "scopes": ", ".join(item.scopes),
                "age": age(item.created_at),
            }
        case Purchase():
            row["opened_at"] = moment(item.opened_at)
    return row


def _readiness(ready: ConditionView | None) -> Row:
    if ready is None:
        return {"ready": "Unknown", "reason": "NotYetReported"}
    return {"ready": ready.status, "reason": "" if ready.reason == "Ready" else ready.reason}


def _all(
    api: Api, reference: Reference, tenant: str | None, selection: Mapping[str, Any]
) -> Iterable[BaseModel]:
    kind, query = reference.kind, {"tenant": tenant} if tenant else {}
    if kind is TENANT:
        if tenant:
            return [api.get(tenant_path(tenant), TenantView)]
        return api.pages("/tenants", TenantPage, **selection)
    if kind is OPERATION:
        return api.pages(f"{tenant_path(tenant) if tenant else ''}/operations", kind.page)
    if kind is EVENT:
        return events.read(api, tenant)
    if kind is MESSAGE:
        return messages(api, tenant)
    return api.pages(f"/{kind.plural}", kind.page, **query)


def messages(api: Api, tenant: str | None = None, **query: Any) -> Iterator[MessageView]:
    """Yield messages; an operator's key belongs to no tenant, so those of each tenant are read."""
    if tenant:
        yield from api.pages("/messages", MessagePage, tenant=tenant, **query)
        return
    try:
        yield from api.pages("/messages", MessagePage, **query)
    except Fault as fault:
        if fault.code.name != TENANT_MISSING.name:
            raise
        for name in tenant_names(api):
            yield from api.pages("/messages", MessagePage, tenant=name, **query)


def _local(reference: Reference) -> list[Purchase]:
    """Read resources that are stored on this machine; not every installation has them."""
    entries = entry_points(group=LOCAL, name=reference.kind.plural)
    purchases = [Purchase.model_validate(item) for entry in entries for item in entry.load()()]
    if reference.name is None:
        return purchases
    named = [purchase for purchase in purchases if purchase.name == reference.name]
    if not named:
        raise _not_found(reference)
    return named


def _not_found(reference: Reference) -> Fault:
    return NOT_FOUND(kind=reference.kind.name, name=reference.name, plural=reference.kind.plural)
