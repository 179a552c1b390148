"""Phase `cloud`: one Pulumi operation for hosts, addresses, reverse DNS and records together."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from controlplane.conditions.model import TENANT, Type, Verdict, aggregate, bad, ok
from controlplane.database import CONTROLLER
from controlplane.hosts import repository as host_rows
from controlplane.hosts.repository import HostRow
from controlplane.operations import repository as operation_rows
from controlplane.reconciler.context import Context
from controlplane.reconciler.ports import ProvisioningError
from controlplane.tenants import repository

PASSING = ("cloudflare.error", "cloudflare.rate_limited", "cloudflare.unreachable")
"""Reasons of a held zone that go away by themselves."""


class Foreign(ProvisioningError):
    """Somebody else applied a blueprint that never came from here."""

    def __init__(self, tenant: repository.TenantRow, digest: str) -> None:
        super().__init__(
            "cloud.foreign_update",
            f"the stack of {tenant.name} was changed to a blueprint unknown here ({digest[:19]}…)",
            remedy="delete the tenant again if all of it shall go"
            if tenant.deleting
            else "apply the tenant's file again if this specification shall win",
            acts="user",
            retryable=False,
        )


class Cloud:
    """Looks at the stack, and brings it to the blueprint when it is at another one."""

    name = "cloud"

    async def run(self, context: Context) -> None:
        """Make sure that everything in the cloud is there, as far as it can be now."""
        await self._observe(context)
        if not await self._is_settled(context):
            await refuse_foreign(context)
            async with context.operation(
                "update" if context.state.digest else "create", "cloud"
            ) as p:
                context.state = await asyncio.to_thread(
                    context.ports.engine.up,
                    context.blueprint,
                    p,
                    deadline=context.ports.settings.cloud_deadline,
                    fence=context.fence,
                )
                for held in context.state.held:
                    raise ProvisioningError(
                        held.code,
                        held.message,
                        remedy=held.remedy,
                        retryable=held.code in PASSING,
                        where=f"stack/{context.tenant.name}",
                    )
        context.conditions.set(TENANT, Type.DRIFTED, bad("AsApplied", ""))
        await self._remember_hosts(context)
        self._judge(context)

    async def _observe(self, context: Context) -> None:
        name = context.tenant.name
        context.state = await asyncio.to_thread(context.ports.engine.state, name)

    async def _is_settled(self, context: Context) -> bool:
        """Tell whether our last operation brought the stack to this blueprint, to the end.

        The stack's digest alone does not: it is written also where a resource failed, and of a run
        by hand nobody told us how it ended.
        """
        state, digest = context.state, context.blueprint.digest
        if state.digest != digest or state.pending or state.held:
            return False
        async with context.ports.database.begin(CONTROLLER) as connection:
            last = await operation_rows.succeeded_last(connection, context.tenant.id, self.name)
        return last == digest

    async def _remember_hosts(self, context: Context) -> None:
        """Note new machines: nothing is known of them, not even their host key."""
        planned = {host.name: host for host in context.blueprint.hosts}
        for host in context.state.hosts:
            known = context.hosts.get(host.name)
            if host.name not in planned or (known and known.service_id == host.service_id):
                continue
            row = HostRow(host.name, planned[host.name].incarnation, host.service_id, None, None)
            await save_host(context, row)

    def _judge(self, context: Context) -> None:
        conditions, parts = context.conditions, []
        seen = {host.name: host for host in context.state.hosts}
        for host in context.blueprint.hosts:
            found = seen.get(host.name)
            verdict = (
                ok("Provisioned", found.primary_ip)
                if found and found.primary_ip
                else bad("NotProvisioned", "the provider has not finished it")
            )
            parts.append((f"host/{host.name}", verdict))
            numbers = {a.name: a.ip for a in found.addresses} if found else {}
            for address in host.addresses:
                ip = numbers.get(address.name)
                parts.append((f"address/{address.name}", _address(ip, primary=address.index == 1)))
        for subject, verdict in parts:
            conditions.set(subject, Type.INFRASTRUCTURE, verdict)
        whole = aggregate(parts, "Provisioned")
        conditions.set(TENANT, Type.INFRASTRUCTURE, whole)
        if any(verdict.waits for _, verdict in parts):
            context.look_again()


def _address(ip: str | None, *, primary: bool) -> Verdict:
    if ip:
        return ok("Provisioned", ip)
    message = "the provider's portal has not given it yet"
    return bad("WaitingForProvider", message, waits=not primary)


async def refuse_foreign(context: Context) -> None:
    """Stop at an unknown digest, unless somebody applied after it had been shown."""
    digest, conditions = context.state.digest, context.conditions
    if digest is None or await _is_ours(context, digest):
        conditions.set(TENANT, Type.DRIFTED, bad("AsApplied", ""))
        return
    shown = conditions.get(TENANT, Type.DRIFTED)
    told = shown is not None and shown.observed_generation < context.tenant.generation
    # Once somebody has spoken it stays True until it is put right, however often that is tried.
    if not (told and conditions.is_true(TENANT, Type.DRIFTED)):
        error = Foreign(context.tenant, digest)
        conditions.set(TENANT, Type.DRIFTED, ok("ForeignUpdate", f"{error}: {error.remedy}"))
        raise error


async def _is_ours(context: Context, digest: str) -> bool:
    async with context.ports.database.begin(CONTROLLER) as connection:
        return await repository.knows_digest(connection, context.tenant.id, digest)


async def save_host(context: Context, row: HostRow) -> None:
    """Write what is known of a host, here and in the database."""
    async with context.begin() as connection:
        await host_rows.save(connection, context.tenant.id, row)
    context.hosts[row.name] = row


async def forget_configuration(context: Context, name: str) -> None:
    """Let the next visit configure a host again."""
    known = context.hosts.get(name)
    if known is not None:
        await save_host(context, replace(known, configured=None))
