"""Phase `configuration`: configures each host, by one first contact and then by playbooks."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from blueprint.document import Host
from blueprint.tenant import MailboxServer
from controlplane.certificates.repository import IssuedCertificate, key_context
from controlplane.conditions.model import Verdict, ask_of, bad, ok, unknown
from controlplane.faults import HOST_MAIL_STAYS
from controlplane.hosts import held_mail
from controlplane.hosts.repository import HostRow
from controlplane.mailu.of_blueprint import mail_of
from controlplane.reconciler import purposes
from controlplane.reconciler.held_mail import forget_ended, require_consent
from controlplane.reconciler.mail_server import (
    keys_of_people,
    lack_of_images,
    mail_server_of,
    secrets_of,
)
from controlplane.reconciler.phase import Phase, Step, Verdicts
from controlplane.reconciler.ports import (
    Configurator,
    HostSecrets,
    MailServer,
    ObservedHost,
    Progress,
    SubmissionUser,
)
from controlplane.reconciler.rest import ALWAYS
from controlplane.reconciler.session import Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, subject
from controlplane.reconciler.table import Row
from controlplane.schedule.schemas import Pool
from kit.faults import Fault

Digests = dict[str, str]
"""Digest of the desired configuration of each host that has an address, by its name."""


class Configuration(Phase[Digests]):
    """Configures each host whose digest differs; one that fails does not stop the others."""

    row = Row(
        name="configuration",
        condition="HostsConfigured",
        about="hosts run the configuration of the blueprint",
        subjects=frozenset({Kind.HOST}),
        needs=("keys", "cloud"),
        pool=Pool.HOSTS,
    )

    def __init__(
        self,
        configurator: Configurator,
        *,
        root_password: Callable[[int], str | None],
        messages_a_day: int,
    ) -> None:
        """`root_password` reads the initial password of a service from the provider; blocks.

        `messages_a_day` is how many mails a person may send from a mailbox of a host with Mailu.
        """
        self._configurator = configurator
        self._root_password = root_password
        self._messages_a_day = messages_a_day

    async def observe(self, snapshot: Snapshot, session: Session) -> Digests:
        """Return the desired configurations, without connecting to hosts."""
        del session
        by_name = {host.name: host for host in snapshot.cloud.hosts}
        return {
            host.name: self._digest(snapshot, host, by_name[host.name])
            for host in map(partial(_as_it_is, snapshot), snapshot.blueprint.hosts)
            if host.name in by_name and by_name[host.name].primary_ip is not None
        }

    def verdicts(self, observed: Digests, snapshot: Snapshot) -> Verdicts:
        """Return for each host whether its configuration was applied last."""
        return {
            subject(Kind.HOST, host.name): _verdict(
                observed.get(host.name),
                snapshot.hosts.get(host.name),
                lack_of_images(snapshot, host),
            )
            for host in snapshot.blueprint.hosts
        }

    def steps(self, observed: Digests, snapshot: Snapshot) -> Sequence[Step]:
        """Return the hosts that run another configuration or none, but for those that lack images.

        What a host has refused is tried again when it is another configuration.
        """
        lacking = {host.name for host in snapshot.blueprint.hosts if lack_of_images(snapshot, host)}
        rows = {name: row for name, row in snapshot.hosts.items() if name not in lacking}
        return [
            Step(
                subject(Kind.HOST, name),
                operation="configure",
                maintenance=_is_renewal(rows[name].applied_digest, digest),
                is_another=rows[name].refused_digest not in (None, digest),
            )
            for name, digest in observed.items()
            if name in rows and rows[name].applied_digest != digest
        ]

    def holds_until(self, observed: Digests, snapshot: Snapshot) -> datetime:
        """Return that time makes no difference: certificates end by an earlier phase."""
        del observed, snapshot
        return ALWAYS

    async def converge(
        self, step: Step, snapshot: Snapshot, session: Session, progress: Progress
    ) -> None:
        """Run the playbooks on one host."""
        name = step.subject.partition("/")[2]
        planned = next(host for host in snapshot.blueprint.hosts if host.name == name)
        host = _as_it_is(snapshot, planned)
        observed_host = next(host for host in snapshot.cloud.hosts if host.name == name)
        row, secrets = snapshot.hosts[name], _secrets(snapshot, host)
        if row.mail is MailboxServer.NONE and host.has_mailu:
            await _expect_mail(host, snapshot, session)
            row = replace(row, mail=host.mail, moves_mail=True)
            await session.save_host(row, snapshot.hosts)
        digest = self._digest(snapshot, host, observed_host)
        leaves = row.mail is MailboxServer.MAILU and not host.has_mailu
        discards = None
        try:
            if leaves:
                discards = await _agreed(row, host, snapshot, session)
            if row.host_key is None:
                host_key = await self._first_contact(snapshot, observed_host, secrets, progress)
                row = replace(row, host_key=host_key, mail=host.mail)
                await session.save_host(row, snapshot.hosts)
            changed = await asyncio.to_thread(
                self._configurator.configure,
                snapshot.blueprint,
                observed_host,
                secrets,
                mail_server=self._mail_server(snapshot, host),
                discards=discards,
                known_host=row.host_key or "",
                progress=progress,
                fence=session.fence,
            )
        except Fault as fault:
            if not fault.retryable:
                await session.save_host(replace(row, refused_digest=digest), snapshot.hosts)
            raise
        progress(f"{name}: {changed} tasks changed something")
        if leaves:
            await forget_ended({name}, snapshot, session)
        row = replace(row, mail=host.mail, applied_digest=digest, refused_digest=None)
        await session.save_host(row, snapshot.hosts)

    def _mail_server(self, snapshot: Snapshot, host: Host) -> MailServer | None:
        return mail_server_of(snapshot, host, messages_a_day=self._messages_a_day)

    def _digest(self, snapshot: Snapshot, host: Host, observed_host: ObservedHost) -> str:
        """Return the digest of what the playbooks read for a host, without opening a secret.

        Its parts are what follows from the blueprint, how hosts are configured, with which images,
        and the certificates.
        """
        own, configuration = self._configurator.digests(
            snapshot.blueprint,
            observed_host,
            _users(snapshot, host),
            mail_server=self._mail_server(snapshot, host),
        )
        certificates = [
            snapshot.secrets.public(purposes.certificate(address.helo))["certificate"]
            for address in host.addresses
        ]
        certificates += [c.chain_pem for c in _public_certificates(snapshot, host).values()]
        content = [own, observed_host.service_id, keys_of_people(snapshot, host)]
        return f"{_hashed(content)}.{configuration}.{_hashed(certificates)}"

    async def _first_contact(
        self,
        snapshot: Snapshot,
        observed_host: ObservedHost,
        secrets: HostSecrets,
        progress: Progress,
    ) -> str:
        password = None
        if observed_host.service_id is not None:
            password = await asyncio.to_thread(self._root_password, observed_host.service_id)
        return await asyncio.to_thread(
            self._configurator.first_contact,
            observed_host,
            ssh_public_key=snapshot.secrets.public(purposes.SSH)["ssh"],
            ssh_private_key=secrets.ssh_private_key,
            password=password,
            progress=progress,
        )


def _as_it_is(snapshot: Snapshot, host: Host) -> Host:
    """Return a host as it is to be configured: one that goes gets and loses no Mailu any more.

    A change of its mail server that was begun stays as far as it came.
    """
    row = snapshot.hosts.get(host.name)
    if not host.is_retired or row is None or row.mail is None:
        return host
    return host.model_copy(update={"mail": row.mail})


async def _expect_mail(host: Host, snapshot: Snapshot, session: Session) -> None:
    """Keep that a host has mail of people from now on, which only a person may give up."""
    addresses = [box.address for box in mail_of(snapshot.blueprint, host).mailboxes]
    async with session.begin() as connection:
        await held_mail.expect(connection, snapshot.tenant.id, host.name, addresses)


async def _agreed(row: HostRow, host: Host, snapshot: Snapshot, session: Session) -> int:
    """Return how many mails may go with Mailu of a host; raises a fault where none may.

    The API refuses such a document, but for one that comes while a host gets Mailu.
    """
    if row.moves_mail:
        raise HOST_MAIL_STAYS(host=host.name, before=row.mail, wanted=host.mail)
    return await require_consent({host.name}, snapshot, session)


def _verdict(digest: str | None, row: HostRow | None, lack: Fault | None) -> Verdict:
    if digest is None or row is None:
        return unknown("NotProvisioned", "the host does not exist yet")
    if row.applied_digest == digest:
        return ok("Configured")
    if lack is not None:
        ask = ask_of(lack.code.acts, lack.remedy)
        return unknown(lack.code.reason, lack.sentence, waits=True, ask=ask)
    return bad("NotConfigured", "another configuration was applied last, or none")


def _secrets(snapshot: Snapshot, host: Host) -> HostSecrets:
    store = snapshot.secrets
    users = _users(snapshot, host)
    return HostSecrets(
        ssh_private_key=store.open(purposes.SSH),
        tls_certificates={
            address.helo: (
                store.public(purposes.certificate(address.helo))["certificate"],
                store.open(purposes.certificate(address.helo)),
            )
            for address in host.addresses
        },
        users=users,
        password_hashes={
            user.username: store.open(purposes.submission_hash(user.address)) for user in users
        },
        public_certificates={
            name: (issued.chain_pem, store.vault.open(issued.sealed_key, context=context).decode())
            for name, issued in _public_certificates(snapshot, host).items()
            for context in (key_context(name),)
        },
        mail_server=secrets_of(snapshot, host),
    )


def _users(snapshot: Snapshot, host: Host) -> tuple[SubmissionUser, ...]:
    """Return who may submit mail at the addresses of a host."""
    senders = tuple(domain.return_path for domain in snapshot.blueprint.domains)
    return tuple(
        SubmissionUser(address.name, secret.public["username"], senders)
        for address in host.addresses
        if address.sends_bulk
        and (secret := snapshot.secrets.find(purposes.submission(address.name))) is not None
    )


def _public_certificates(snapshot: Snapshot, host: Host) -> Mapping[str, IssuedCertificate]:
    """Return the certificates of public authorities for names of a host, by name."""
    issued = ((address.helo, snapshot.certificates.get(address.helo)) for address in host.addresses)
    return {name: certificate for name, certificate in issued if certificate is not None}


def _is_renewal(applied: str | None, digest: str) -> bool:
    """Return whether certificates differ from what was applied last, and the blueprint does not."""
    before, now = (applied or "").split("."), digest.split(".")
    return before[0] == now[0] and before[-1] != now[-1]


def _hashed(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
