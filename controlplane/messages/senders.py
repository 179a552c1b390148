"""Refuses at once what could never be sent under a tenant's document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blueprint.faults import invalid
from blueprint.senders import addresses_of, mailbox_of
from blueprint.tenant import TenantSpec
from kit.faults import Code, Violation
from sender.faults import (
    EXPIRES_EARLY,
    EXPIRES_LATE,
    FOREIGN_DOMAIN,
    POSTAL_ADDRESS_MISSING,
    RUNS_LATE,
    UNDECLARED_MAILBOX,
)
from sender.outbox import TimesRefused
from sender.schemas import OutgoingMessage


def require_mailboxes(
    spec: TenantSpec, messages: Sequence[OutgoingMessage], *, in_batch: bool
) -> None:
    """Raise the fault of messages whose From address may not send under a tenant's document."""
    violations = tuple(_violations(spec, messages, in_batch=in_batch))
    if violations:
        raise invalid(violations)


def require_postal_address(spec: TenantSpec, messages: Sequence[OutgoingMessage]) -> None:
    """Raise the fault of campaign mail that could not show the sender's postal address."""
    if spec.sending.postal_address is None and not all(one.transactional for one in messages):
        raise POSTAL_ADDRESS_MISSING()


def mailbox_in(spec: TenantSpec, address: str) -> str | None:
    """Return the declared mailbox that a From address counts as under a tenant's document."""
    return mailbox_of(address, addresses_of(spec.mailboxes), _catch_alls(spec))


def untimely(refused: TimesRefused, *, in_batch: bool) -> Exception:
    """Return the fault of messages that are due too late, or would expire too early or late."""
    found: list[tuple[int, str, Code]] = [
        *((index, "expires_at", EXPIRES_EARLY) for index in refused.early),
        *((index, "expires_at", EXPIRES_LATE) for index in refused.late),
        *((index, "run_at", RUNS_LATE) for index in refused.far),
    ]
    return invalid(
        code.violation(path=_path(index, key, in_batch=in_batch))
        for index, key, code in sorted(found, key=lambda one: one[0])
    )


def _violations(
    spec: TenantSpec, messages: Sequence[OutgoingMessage], *, in_batch: bool
) -> Iterator[Violation]:
    domains = sorted(domain.name for domain in spec.domains)
    declared = addresses_of(spec.mailboxes)
    catch_alls = _catch_alls(spec)
    for index, message in enumerate(messages):
        path = _path(index, "from", in_batch=in_batch)
        if message.from_domain not in domains:
            yield FOREIGN_DOMAIN.violation(
                path=path, domain=message.from_domain, domains=", ".join(domains)
            )
        elif mailbox_of(message.from_address, declared, catch_alls) is None:
            yield UNDECLARED_MAILBOX.violation(
                path=path,
                address=message.from_address,
                mailboxes=", ".join(sorted(declared)) or "none",
            )


def _catch_alls(spec: TenantSpec) -> dict[str, str]:
    return {d.name: d.catch_all for d in spec.domains if d.catch_all is not None}


def _path(index: int, key: str, *, in_batch: bool) -> str:
    return f"messages[{index}].{key}" if in_batch else key
