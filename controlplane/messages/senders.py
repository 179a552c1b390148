"""Refuses at once what could never be sent under a tenant's document."""

from __future__ import annotations

from blueprint.faults import invalid
from blueprint.senders import mailbox_of
from blueprint.tenant import TenantSpec
from kit.faults import Violation
from sender.faults import FOREIGN_DOMAIN, POSTAL_ADDRESS_MISSING, UNDECLARED_MAILBOX
from sender.schemas import OutgoingMessage


def require_mailbox(spec: TenantSpec, message: OutgoingMessage) -> None:
    """Raise the fault of a message whose From address may not send under a tenant's document."""
    violation = _violation(spec, message)
    if violation is not None:
        raise invalid((violation,))


def require_postal_address(spec: TenantSpec, message: OutgoingMessage) -> None:
    """Raise the fault of campaign mail that could not show the sender's postal address."""
    if not message.transactional and spec.sending.postal_address is None:
        raise POSTAL_ADDRESS_MISSING()


def mailbox_in(spec: TenantSpec, address: str) -> str | None:
    """Return the declared mailbox that a From address counts as under a tenant's document."""
    boxes = [box.address for box in spec.mailboxes]
    catch_alls = {d.name: d.catch_all for d in spec.domains if d.catch_all is not None}
    return mailbox_of(address, boxes, catch_alls)


def _violation(spec: TenantSpec, message: OutgoingMessage) -> Violation | None:
    domains = sorted(domain.name for domain in spec.domains)
    if message.from_domain not in domains:
        return FOREIGN_DOMAIN.violation(
            path="from", domain=message.from_domain, domains=", ".join(domains)
        )
    if mailbox_in(spec, message.from_address) is not None:
        return None
    boxes = sorted(box.address for box in spec.mailboxes)
    return UNDECLARED_MAILBOX.violation(
        path="from", address=message.from_address, mailboxes=", ".join(boxes) or "none"
    )
