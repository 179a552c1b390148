"""Phase `cloud`: one Pulumi operation for hosts, addresses, reverse DNS and records together."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from controlplane.database import CONTROLLER
from controlplane.monitoring.conditions import TENANT, Type, Verdict, aggregate, bad, ok
from controlplane.provisioning.ports import ProvisioningError
from controlplane.reconciler.context import Context
from controlplane.tenants import repository


class Foreign(ProvisioningError):
    """Somebody else applied a blueprint that never came from here."""

    def __init__(self, tenant: str, digest: str) -> None:
        super().__init__(
            "cloud.foreign_update",
            f"the stack of {tenant} was changed to a blueprint unknown here ({digest[:19]}…)",
            remedy="apply the tenant's file again if this specification shall win",
            acts="user",
            retryable=False,
        )


class Cloud:
    """Looks at the stack, and brings it to the blueprint when it is at another one."""

    name = "cloud"

    async def run(self, context: Context) -> None:
        """Make sure that everything in the cloud is there, as far as it can be now."""
        await self._observe(context)
        at_blueprint = context.state.digest == context.blueprint.digest
        if not at_blueprint or context.state.pending:
            await self._refuse_foreign(context)
            async with context.operation(
                "update" if context.state.digest else "create", "cloud"
            ) as p:
                context.state = await asyncio.to_thread(
                    context.ports.engine.up,
                    context.blueprint,
                    p,
                    deadline=context.ports.settings.cloud_deadline,
                )
        await self._remember_hosts(context)
        self._judge(context)

    async def _observe(self, context: Context) -> None:
        name = context.tenant.name
        context.state = await asyncio.to_thread(context.ports.engine.state, name)

    async def _refuse_foreign(self, context: Context) -> None:
        """Stop at an unknown digest, unless somebody applied after it had been shown."""
        digest, conditions = context.state.digest, context.conditions
        if digest is not None:
            async with context.ports.database.begin(CONTROLLER) as connection:
                known = await repository.knows_digest(connection, context.tenant.id, digest)
            shown = conditions.get(TENANT, Type.DRIFTED)
            told = (
                conditions.is_true(TENANT, Type.DRIFTED)
                and shown is not None
                and shown.observed_generation < context.tenant.generation
            )
            if not known and not told:
                error = Foreign(context.tenant.name, digest)
                conditions.set(
                    TENANT, Type.DRIFTED, ok("ForeignUpdate", f"{error}: {error.remedy}")
                )
                raise error
        conditions.set(TENANT, Type.DRIFTED, bad("AsApplied", ""))

    async def _remember_hosts(self, context: Context) -> None:
        """Note new machines: nothing is known of them, not even their host key."""
        planned = {host.name: host for host in context.blueprint.hosts}
        for host in context.state.hosts:
            known = context.hosts.get(host.name)
            if host.name not in planned or (known and known.service_id == host.service_id):
                continue
            row = repository.HostRow(
                host.name, planned[host.name].incarnation, host.service_id, None, None
            )
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


async def save_host(context: Context, row: repository.HostRow) -> None:
    """Write what is known of a host, here and in the database."""
    context.hosts[row.name] = row
    async with context.ports.database.begin(CONTROLLER) as connection:
        await repository.save_host(connection, context.tenant.id, row)


async def forget_configuration(context: Context, name: str) -> None:
    """Let the next visit configure a host again."""
    known = context.hosts.get(name)
    if known is not None:
        await save_host(context, replace(known, configured=None))
