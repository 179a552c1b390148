"""The pages of hosts, addresses, domains and mailboxes."""

from __future__ import annotations

from pydantic import BaseModel, SerializeAsAny

from blueprint.document import Blueprint
from blueprint.tenant import Dns
from blueprint.warmup import MAILBOX as MAILBOX_CURVES
from cli import lists
from cli.api import Api, tenant_path
from cli.conditions import Types
from cli.kinds import ADDRESS
from cli.names import Reference
from cli.pages import blueprint as pages
from cli.pages.history import show_conditions, show_events
from cli.pages.tenant import blueprint_of, show_head
from controlplane.events.schemas import EventPage, EventView
from controlplane.inventory.schemas import AddressView, DomainView, HostView, MailboxView, Part
from controlplane.reconciler.schemas import ConditionTypeView, PhaseTable
from controlplane.tenants.schemas import TenantView

EVENTS = 8


class PartDescription(BaseModel):
    """The content of the page."""

    condition_types: list[ConditionTypeView]
    part: SerializeAsAny[Part]
    tenant: TenantView
    blueprint: Blueprint
    events: list[EventView]


def read(api: Api, reference: Reference, tenant: str | None) -> PartDescription:
    """Read the content of the page."""
    part = lists.part(api, reference, tenant)
    tenant_view = api.get(tenant_path(part.tenant), TenantView)
    query = {"tenant": part.tenant, "subject": str(reference), "latest": True, "limit": EVENTS}
    return PartDescription(
        condition_types=api.get("/phases", PhaseTable).conditions,
        part=part,
        tenant=tenant_view,
        blueprint=blueprint_of(api, tenant_view),
        events=api.get("/events", EventPage, **query).items,
    )


def show(description: PartDescription, *, everything: bool) -> None:
    """Print the page."""
    part = description.part
    show_head(_head(description))
    conditions = list(part.conditions)
    if isinstance(part, HostView):
        of_addresses = [f"{ADDRESS.name}/{name}" for name in part.addresses]
        conditions += [c for c in description.tenant.conditions if c.subject in of_addresses]
    if not isinstance(part, MailboxView) or conditions:
        types = Types.of(description.condition_types)
        show_conditions(types, conditions, everything=everything)
    if isinstance(part, DomainView):
        pages.show_instructions(part.set_by_hand, whole=True)
        written = [r for r in description.blueprint.records if r.domain == part.name and r.stack]
        pages.show_records("Records written for it", written, whole=True)
    show_events(description.events, with_subject=False)


def _head(description: PartDescription) -> dict[str, str]:
    part = description.part
    name = f"{part.name} of tenant {part.tenant}"
    match part:
        case HostView():
            return {"Host": name, **_host(part, description.blueprint)}
        case AddressView():
            return {"Address": name, **_address(part)}
        case DomainView():
            return {"Domain": name, **_domain(part, description.blueprint)}
        case MailboxView():
            return {"Mailbox": name, **_mailbox(part, description.tenant)}
    return {"Name": name}


def _host(part: HostView, blueprint: Blueprint) -> dict[str, str]:
    service = f", service {part.service_id}" if part.service_id else ", not bought yet"
    [host] = [host for host in blueprint.hosts if host.name == part.name]
    names = [f"{a.name} ({a.helo}, {pages.use_of(a)})" for a in host.addresses]
    return {
        "Server": f"{part.server_name}{service}",
        "Size": f"{part.size}: {part.cpu} CPU, {part.ram_mb // 1024} GB memory, "
        f"{part.disk_gb} GB disk, {part.location}",
        "Zone": part.zone,
        "Addresses": ", ".join(names),
    }


def _address(part: AddressView) -> dict[str, str]:
    return {
        "IPv4": part.ip or "not known yet",
        "Host": part.host,
        "HELO": f"{part.helo} (also its A record and PTR)",
        "Use": f"{part.role}, {pages.use_of(part)}",
    }


def _domain(part: DomainView, blueprint: Blueprint) -> dict[str, str]:
    head = {
        "DNS": "records are set by hand" if part.dns is Dns.MANUAL else "written at Cloudflare",
        "DMARC": f"p={part.dmarc}",
    }
    if part.draining:
        return head | {"Use": "none: its records are removed when its mail is sent"}
    [domain] = [domain for domain in blueprint.domains if domain.name == part.name]
    boxes = [box.address for box in blueprint.mailboxes if box.domain == part.name]
    return head | {
        "Return path": domain.return_path,
        "Mail host": domain.mail_host,
        "DKIM": domain.selector or "no key yet",
        "Mailboxes": ", ".join(boxes) or "-",
    }


def _mailbox(part: MailboxView, tenant: TenantView) -> dict[str, str]:
    warmup = tenant.document.spec.sending.warmup
    curve = MAILBOX_CURVES[warmup]
    return {
        "Domain": part.domain,
        "Aliases": ", ".join(part.aliases) or "-",
        "Cap": f"{part.daily_cap} mails a day",
        "Warm-up": f"{warmup}: from {curve.start} to {curve.target} a day in {curve.days} days",
    }
