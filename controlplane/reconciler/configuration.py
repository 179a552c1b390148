"""Phase `configuration`: what runs on each host, by first contact once and playbooks since."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace

from blueprint.document import Host
from controlplane.conditions.model import TENANT, Type, Verdict, aggregate, bad, ok
from controlplane.hosts.repository import HostRow
from controlplane.reconciler import keys
from controlplane.reconciler.checks import camel
from controlplane.reconciler.cloud import save_host
from controlplane.reconciler.context import Context
from controlplane.reconciler.ports import (
    Configurator,
    HostSecrets,
    ObservedHost,
    Progress,
    ProvisioningError,
    SubmissionUser,
)
from kit.faults import Fault


class Configuration:
    """Configures each host whose fingerprint differs; one that fails does not stop the others."""

    name = "configuration"

    def __init__(self, configurator: Configurator) -> None:
        self._configurator = configurator

    async def run(self, context: Context) -> None:
        """Make sure that each host runs what the blueprint says; raises the first failure."""
        parts: list[tuple[str, Verdict]] = []
        failures: list[Fault | ProvisioningError] = []
        observed = {host.name: host for host in context.state.hosts}
        for host in context.blueprint.hosts:
            found = observed.get(host.name)
            if found is None or found.primary_ip is None:
                parts.append((f"host/{host.name}", bad("NotProvisioned", "there is no host yet")))
                continue
            verdict = ok("Configured")
            if context.hosts[host.name].configured != _fingerprint(context, host, found):
                try:
                    async with context.operation("configure", self.name) as progress:
                        await self._converge(context, host, found, progress)
                except (Fault, ProvisioningError) as error:
                    failures.append(error)
                    verdict = bad(camel(str(error.code)), error.sentence)
            parts.append((f"host/{host.name}", verdict))
        for subject, verdict in parts:
            context.conditions.set(subject, Type.CONFIGURED, verdict)
        context.conditions.set(TENANT, Type.CONFIGURED, aggregate(parts, "Configured"))
        if failures:
            raise failures[0]

    async def _converge(
        self, context: Context, host: Host, found: ObservedHost, progress: Progress
    ) -> None:
        row = context.hosts[host.name]
        secrets = _secrets(context, host)
        if row.known_host is None:
            row = await self._first_contact(context, row, found, secrets, progress)
        changed = await asyncio.to_thread(
            self._configurator.configure,
            context.blueprint,
            found,
            secrets,
            known_host=row.known_host or "",
            progress=progress,
        )
        progress(f"{host.name}: {changed} tasks changed something")
        await save_host(context, replace(row, configured=_fingerprint(context, host, found)))

    async def _first_contact(
        self,
        context: Context,
        row: HostRow,
        found: ObservedHost,
        secrets: HostSecrets,
        progress: Progress,
    ) -> HostRow:
        password = None
        if found.service_id is not None:
            password = await asyncio.to_thread(context.ports.root_password, found.service_id)
        known_host = await asyncio.to_thread(
            self._configurator.first_contact,
            found,
            ssh_public_key=context.secrets.public(keys.SSH)["ssh"],
            ssh_private_key=secrets.ssh_private_key,
            password=password,
            progress=progress,
        )
        row = replace(row, known_host=known_host)
        await save_host(context, row)
        return row


def _secrets(context: Context, host: Host) -> HostSecrets:
    store = context.secrets
    senders = tuple(domain.return_path for domain in context.blueprint.domains)
    return HostSecrets(
        ssh_private_key=store.open(keys.SSH),
        tls_certificates={
            address.helo: (
                store.public(keys.certificate(address.helo))["certificate"],
                store.open(keys.certificate(address.helo)),
            )
            for address in host.addresses
        },
        users=tuple(
            SubmissionUser(
                address=address.name,
                username=store.public(keys.submission(address.name))["username"],
                password_hash=store.open(keys.submission_hash(address.name)),
                senders=senders,
            )
            for address in host.addresses
            if address.sends_bulk
        ),
    )


def _fingerprint(context: Context, host: Host, found: ObservedHost) -> str:
    """Return what tells two configurations of a host apart, without opening a secret."""
    certificates = [
        context.secrets.public(keys.certificate(address.helo))["certificate"]
        for address in host.addresses
    ]
    numbers = [[address.name, address.ip] for address in found.addresses]
    content = [context.blueprint.digest, found.service_id, numbers, certificates]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
