"""The page of a tenant."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from blueprint.document import Blueprint
from blueprint.instructions import instructions
from blueprint.tenant import MailboxSpec
from blueprint.warmup import ADDRESS
from cli.api import Api, tenant_path
from cli.conditions import Types
from cli.freeze import frozen_line
from cli.pages import blueprint as pages
from cli.pages import progress
from cli.pages.history import show_conditions, show_events, show_operations
from cli.stop import stop_line
from cli.terminal import wrapped
from cli.times import moment
from controlplane.events.schemas import EventPage, EventView
from controlplane.freezes.schemas import Freezes, FreezeView
from controlplane.operations.schemas import OperationPage, OperationView
from controlplane.reconciler.schemas import ConditionTypeView, PhaseTable
from controlplane.schedule.schemas import NextLook
from controlplane.stops.schemas import StopPage, StopView
from controlplane.tenants.schemas import PauseView, TenantView
from controlplane.todo.schemas import TodoPage, TodoView
from kit.faults import Fault

EVENTS = 8
OPERATIONS = 5
KEYS_PENDING = "tenant.keys_pending"


class TenantDescription(BaseModel):
    """The content of the page."""

    condition_types: list[ConditionTypeView]
    tenant: TenantView
    stops: list[StopView]
    freezes: list[FreezeView]
    next_look: NextLook
    todo: list[TodoView]
    blueprint: Blueprint
    operations: list[OperationView]
    events: list[EventView]


def read(api: Api, name: str) -> TenantDescription:
    """Read the content of the page."""
    path = tenant_path(name)
    tenant = api.get(path, TenantView)
    return TenantDescription(
        condition_types=api.get("/phases", PhaseTable).conditions,
        tenant=tenant,
        stops=list(api.pages("/stops", StopPage, tenant=name)),
        freezes=api.get("/platform/freezes", Freezes).items,
        next_look=api.get(f"{path}/next-look", NextLook),
        todo=list(api.pages("/todo", TodoPage, tenant=name)),
        blueprint=blueprint_of(api, tenant),
        operations=api.get(f"{path}/operations", OperationPage, limit=OPERATIONS).items,
        events=api.get("/events", EventPage, tenant=name, latest=True, limit=EVENTS).items,
    )


def blueprint_of(api: Api, tenant: TenantView) -> Blueprint:
    """Return the tenant's blueprint; before its keys exist, one without them."""
    try:
        return api.get(f"{tenant_path(tenant.name)}/blueprint", Blueprint)
    except Fault as fault:
        if fault.code.name != KEYS_PENDING:
            raise
        return api.render(tenant.document)


def show(description: TenantDescription, *, everything: bool) -> None:
    """Print the page."""
    show_head(_head(description))
    types = Types.of(description.condition_types)
    show_conditions(types, description.tenant.conditions, everything=everything)
    pages.show_hosts(description.blueprint.hosts)
    pages.show_instructions(instructions(description.blueprint))
    pages.show_cost(description.blueprint.cost)
    show_operations(description.operations)
    show_events(description.events)


def show_head(rows: Mapping[str, str]) -> None:
    """Print titles and values."""
    for title, value in rows.items():
        print(wrapped(value, first=f"{title + ':':<13}"))


def _head(description: TenantDescription) -> dict[str, str]:
    tenant = description.tenant
    spec = tenant.document.spec
    labels = [f"{key}={value}" for key, value in tenant.document.metadata.labels.items()]
    domains = [f"{domain.name} ({domain.dns})" for domain in spec.domains]
    mailboxes = [_mailbox(box) for box in spec.mailboxes]
    curve = ADDRESS[spec.sending.warmup]
    growth = f"each address from {curve.start} to {curve.target} a day in {curve.days} days"
    rows = {
        "Name": tenant.name,
        "Paused": _by(tenant.paused) if tenant.paused else "",
        "Mail stops": "; ".join(map(stop_line, description.stops)),
        "Frozen": "; ".join(map(frozen_line, description.freezes)),
        "Labels": ", ".join(labels),
        "Plan": f"{spec.plan}, region {spec.region}",
        "Generation": f"{tenant.generation} (observed {tenant.observed_generation})",
        "Domains": ", ".join(domains),
        "Mailboxes": ", ".join(mailboxes) or "-",
        "Warm-up": f"{spec.sending.warmup}: {growth}",
        **progress.rows(description.operations, description.todo, description.next_look),
    }
    return {title: value for title, value in rows.items() if value}


def _mailbox(box: MailboxSpec) -> str:
    aliases = f", also {' '.join(box.aliases)}" if box.aliases else ""
    return f"{box.address} ({box.daily_cap} a day{aliases})"


def _by(pause: PauseView) -> str:
    return f"{pause.reason} (by key {pause.actor}, since {moment(pause.since)})"
