"""Deletion: the phases backwards; it ends only when an observation says that all is gone."""

from __future__ import annotations

import asyncio

from controlplane.conditions.model import TENANT, Type, bad
from controlplane.events.repository import emit
from controlplane.reconciler.cloud import refuse_foreign
from controlplane.reconciler.context import Context
from controlplane.reconciler.ports import ProvisioningError
from controlplane.tenants import repository
from sender.directory import withdraw


async def delete(context: Context) -> None:
    """Stop sending, give everything back to the providers, look, and forget the tenant."""
    ports, tenant = context.ports, context.tenant
    context.conditions.mark_reconciling("Deleting", "everything is being given back")
    context.conditions.set(TENANT, Type.SENDING, bad("Deleting", "the tenant is being deleted"))
    async with context.begin() as connection:
        await withdraw(connection, tenant_id=tenant.id)
    await context.save()
    if await _is_something_left(context):
        await refuse_foreign(context)
    # Also where the state is empty: a run that was cut off may have bought what no state knows of.
    async with context.operation("delete", "cloud") as progress:
        await asyncio.to_thread(
            ports.engine.destroy,
            tenant.name,
            progress,
            deadline=ports.settings.cloud_deadline,
            fence=context.fence,
        )
    if await _is_something_left(context):
        raise ProvisioningError(
            "cloud.not_gone",
            f"something of {tenant.name} is still in the cloud after its deletion",
            remedy="nothing to do: it is looked at again",
        )
    async with context.begin() as connection:
        await repository.delete(connection, tenant.id)
        await emit(
            connection,
            tenant_id=tenant.id,
            tenant=tenant.name,
            at=ports.clock(),
            subject=TENANT,
            kind="spec",
            reason="Deleted",
            message="everything is gone",
        )


async def _is_something_left(context: Context) -> bool:
    context.state = await asyncio.to_thread(context.ports.engine.state, context.tenant.name)
    state = context.state
    return state.digest is not None or bool(state.hosts) or bool(state.records)
