"""Configures hosts by the blueprint: first contact by SSH, then Ansible through ansible-runner."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

from blueprint.document import Blueprint
from controlplane.ansible.host_fence import PATIENCE, raised
from controlplane.ansible.host_variables import host_variables, secret_variables
from controlplane.ansible.playbooks import digest_of, digests_of
from controlplane.ansible.run import Connection, Playbook, run_playbook
from controlplane.reconciler.ports import (
    HostSecrets,
    Login,
    MailServer,
    ObservedHost,
    Progress,
    SubmissionUser,
)


@dataclass(frozen=True)
class ConfiguratorSettings:
    """The operator's settings for all hosts."""

    playbooks: Path
    """The directory of `site.yml`."""
    sender_sources: tuple[str, ...]
    """Networks (CIDR) of the sender and of verification: only these can reach port 587."""
    ssh_sources: tuple[str, ...] = ("0.0.0.0/0",)
    """Networks that may open SSH connections to hosts; must hold the control plane's own."""
    package_sources: tuple[str, ...] = ()
    """Lines of a sources.list; empty: the image's own sources."""
    time_servers: tuple[str, ...] = ()
    """NTP servers that hosts follow and are measured by; empty: those of the role."""
    forwarders: tuple[str, ...] = ()
    """Name servers that the hosts' resolvers ask; empty: they ask from the root down."""
    trust_anchor: str | None = None
    """The root's key for the hosts' resolvers; None: the one of the Internet."""
    echo_mx: str | None = None
    """The server by which hosts try whether mail leaves; None: it is not tried."""
    registry_authorities: Mapping[str, str] = field(default_factory=dict)
    """By the name of a registry: the certificate (PEM) of the authority that hosts trust for it."""
    automatic_upgrades: bool | None = None
    """Whether the image upgrades itself; None: yes, unless `package_sources` are given."""
    ssh_deadline: timedelta = timedelta(minutes=15)
    """How long a new host may take until it answers on port 22 and lets root log in."""
    deadline: timedelta = timedelta(minutes=15)
    """How long one run of the playbooks may take."""
    mailu_deadline: timedelta = timedelta(minutes=45)
    """The same on a host with Mailu: images are fetched, and a first start takes minutes."""
    command_patience: timedelta = PATIENCE
    """How long a command of an earlier run on the host may continue until it is ended."""
    private_root: Path | None = None
    """Parent of the private directories of runs; None: memory (`/dev/shm`) if available."""
    overrides: dict[str, Any] = field(default_factory=dict)
    """Further variables of the roles, over their defaults (`egress_destination_concurrency`)."""


class AnsibleConfigurator:
    """The `Configurator` for real hosts."""

    def __init__(self, settings: ConfiguratorSettings, *, stop: Event | None = None) -> None:
        """`stop` cancels running playbooks when it is set: the process is about to end."""
        self._settings = settings
        self._stop = stop or Event()
        # Read before any run: files that change later are applied, and again after a restart.
        self._digest = digest_of(settings.playbooks, self._role_variables())

    def digests(
        self,
        blueprint: Blueprint,
        host: ObservedHost,
        users: Collection[SubmissionUser],
        *,
        mail_server: MailServer | None = None,
    ) -> tuple[str, str]:
        """Return the digests of a host's variables, and of playbooks and settings."""
        return digests_of(host_variables(blueprint, host, users, mailu=mail_server), self._digest)

    def first_contact(
        self,
        host: ObservedHost,
        *,
        ssh_public_key: str,
        password: str | None,
        progress: Progress,
        ssh_private_key: str | None = None,
    ) -> str:
        """Install our key with the provider's root password, once; return the host key line.

        With `ssh_private_key` a host that accepts our key already needs no password, and the
        key's login is tried at the end.
        """
        # Needed once per host: imported late, since the SSH client takes memory.
        from controlplane.ansible.first_contact import FirstContact, SshServer

        server = SshServer(name=host.name, address=_primary_ip(host))
        return FirstContact(deadline=self._settings.ssh_deadline).install_key(
            server,
            public_key=ssh_public_key,
            private_key=ssh_private_key,
            password=password,
            progress=progress,
        )

    def configure(
        self,
        blueprint: Blueprint,
        host: ObservedHost,
        secrets: HostSecrets,
        *,
        known_host: str,
        progress: Progress,
        mail_server: MailServer | None = None,
        fence: int | None = None,
        discards: int | None = None,
    ) -> int:
        """Run the playbooks on one host; return the number of changed tasks.

        `fence` is the token of the current lease: from now on no run with a lower one changes
        anything on the host.
        """
        own = host_variables(blueprint, host, secrets.users, mailu=mail_server, discards=discards)
        variables = {"host": own, **self._role_variables()}
        playbook = Playbook(
            path=self._settings.playbooks / "site.yml",
            variables=variables,
            secrets=secret_variables(secrets),
            deadline=self._deadline(mail_server),
            private_root=self._settings.private_root,
        )
        connection = Connection(
            name=host.name,
            address=_primary_ip(host),
            known_host=known_host,
            private_key=secrets.ssh_private_key,
            fence=fence,
        )
        stopped = self._stop.is_set
        if fence is None:
            return run_playbook(playbook, connection, progress, cancelled=stopped)
        login = Login(known_host, secrets.ssh_private_key, fence)
        patience = self._settings.command_patience
        with raised(host, login, cancelled=stopped, patience=patience) as session:
            return run_playbook(
                playbook, connection, progress, cancelled=lambda: stopped() or session.has_ended()
            )

    def _deadline(self, mail_server: MailServer | None) -> timedelta:
        settings = self._settings
        return settings.deadline if mail_server is None else settings.mailu_deadline

    def _role_variables(self) -> dict[str, Any]:
        settings = self._settings
        variables: dict[str, Any] = {
            "base_package_sources": list(settings.package_sources),
            "base_sender_sources": list(settings.sender_sources),
            "base_ssh_sources": list(settings.ssh_sources),
            "base_resolver_forwarders": list(settings.forwarders),
            "base_resolver_trust_anchor": settings.trust_anchor or "",
            "outbound_echo_mx": settings.echo_mx or "",
            "docker_registry_authorities": dict(settings.registry_authorities),
        }
        if settings.time_servers:
            variables["base_time_servers"] = list(settings.time_servers)
        if settings.automatic_upgrades is not None:
            variables["base_automatic_upgrades"] = settings.automatic_upgrades
        return variables | settings.overrides


def _primary_ip(host: ObservedHost) -> str:
    if host.primary_ip is None:
        raise ValueError(f"the primary address of {host.name} is not assigned yet")
    return host.primary_ip
