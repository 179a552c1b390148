"""What of messages can never be sent under a tenant's document, or at their times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blueprint.faults import Located, Path, dotted
from blueprint.senders import addresses_of, mailbox_of
from blueprint.tenant import TenantSpec
from kit.faults import Code
from sender.faults import (
    EXPIRES_EARLY,
    EXPIRES_LATE,
    FOREIGN_DOMAIN,
    POSTAL_ADDRESS_MISSING,
    RUNS_LATE,
    UNDECLARED_MAILBOX,
)
from sender.outbox import Untimely
from sender.schemas import OutgoingMessage

Placed = Sequence[tuple[Path, OutgoingMessage]]
"""Messages, each with its path in the request."""


def foreign(spec: TenantSpec, messages: Placed) -> Iterator[Located]:
    """Yield the messages whose From address may not send under a tenant's document."""
    domains = sorted(domain.name for domain in spec.domains)
    declared = addresses_of(spec.mailboxes)
    catch_alls = _catch_alls(spec)
    for place, message in messages:
        path = (*place, "from")
        if message.from_domain not in domains:
            yield (
                path,
                FOREIGN_DOMAIN.violation(
                    path=dotted(path), domain=message.from_domain, domains=", ".join(domains)
                ),
            )
        elif mailbox_of(message.from_address, declared, catch_alls) is None:
            yield (
                path,
                UNDECLARED_MAILBOX.violation(
                    path=dotted(path),
                    address=message.from_address,
                    mailboxes=", ".join(sorted(declared)) or "none",
                ),
            )


def without_postal_address(spec: TenantSpec, messages: Placed) -> Iterator[Located]:
    """Yield the first campaign mail that could not show the sender's postal address."""
    if spec.sending.postal_address is None:
        campaign = (place for place, message in messages if not message.transactional)
        for path in list(campaign)[:1]:
            yield path, POSTAL_ADDRESS_MISSING.violation(path=dotted(path))


def untimely(found: Untimely, messages: Placed) -> Iterator[Located]:
    """Yield the messages that are due too late, or would expire too early or late."""
    refused: list[tuple[Sequence[int], str, Code]] = [
        (found.early, "expires_at", EXPIRES_EARLY),
        (found.late, "expires_at", EXPIRES_LATE),
        (found.far, "run_at", RUNS_LATE),
    ]
    for numbers, key, code in refused:
        for number in numbers:
            path = (*messages[number][0], key)
            yield path, code.violation(path=dotted(path))


def mailbox_in(spec: TenantSpec, address: str) -> str | None:
    """Return the declared mailbox that a From address counts as under a tenant's document."""
    return mailbox_of(address, addresses_of(spec.mailboxes), _catch_alls(spec))


def _catch_alls(spec: TenantSpec) -> dict[str, str]:
    return {d.name: d.catch_all for d in spec.domains if d.catch_all is not None}
