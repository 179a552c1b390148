"""Queues messages for a tenant, or refuses them with everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from blueprint.catalogue import PLANS, UNLIMITED
from blueprint.faults import Located, Path, invalid
from blueprint.tenant import Plan
from controlplane.database import API
from controlplane.faults import SCOPE_MISSING, TENANT_DELETING
from controlplane.identity.access import Access
from controlplane.identity.keys import Scope
from controlplane.messages.senders import Placed, foreign, untimely, without_postal_address
from controlplane.tenants import service as tenants
from controlplane.tenants.repository import TenantRow
from kit.faults import Fault, Violation
from sender import outbox
from sender.faults import POSTAL_ADDRESS_MISSING
from sender.outbox import Quotas, TimesRefused


async def queue(
    access: Access,
    tenant: str | None,
    messages: Placed,
    idempotency_key: str | None,
    mistakes: Sequence[Located] = (),
) -> list[UUID]:
    """Queue messages, all or none, and return their ids.

    `mistakes` are of others in the request: then nothing is queued, and all that is wrong is said.
    """
    if Scope.MESSAGES_TRANSACTIONAL not in access.scopes and any(
        message.transactional for _, message in messages
    ):
        raise SCOPE_MISSING(scope=Scope.MESSAGES_TRANSACTIONAL)
    async with access.begin() as connection:
        row = await tenants.of_request(connection, access, tenant)
    if row.deleting:
        raise TENANT_DELETING(name=row.name)
    spec = row.document.spec
    refused = [*mistakes, *foreign(spec, messages)]
    postal = list(without_postal_address(spec, messages))
    times: dict[Path, Violation] = {}
    if not (refused or postal):
        try:
            return await _enqueue(access, row, messages, idempotency_key)
        except TimesRefused as some:
            times.update(untimely(some.found, messages))
    async with access.database.begin(API, tenant_id=row.id) as connection:
        found = await outbox.untimely(connection, [message for _, message in messages])
    times.update(untimely(found, messages))
    if not (refused or times):
        raise POSTAL_ADDRESS_MISSING()
    raise _refusal([*refused, *times.items(), *postal])


async def _enqueue(
    access: Access, row: TenantRow, messages: Placed, idempotency_key: str | None
) -> list[UUID]:
    """Queue messages with the tenant's rights only, also for an operator."""
    async with access.database.begin(API, tenant_id=row.id) as connection:
        return await outbox.enqueue_all(
            connection,
            tenant_id=row.id,
            messages=[message for _, message in messages],
            idempotency_key=idempotency_key,
            quotas=_quotas(row.document.spec.plan),
            by_operator=access.is_operator,
        )


def _refusal(refused: Iterable[Located]) -> Fault:
    """Return the fault of a request, with what is wrong in the order of its messages."""
    in_order = sorted(refused, key=lambda one: [step for step in one[0] if isinstance(step, int)])
    return invalid(violation for _, violation in in_order)


def _quotas(plan: Plan) -> Quotas:
    limits = PLANS[plan]
    per_month = None if limits.mails_per_month == UNLIMITED else limits.mails_per_month
    return Quotas(per_month, limits.mails_queued)
