"""Composes the reconciler: the phases, each with the ports that it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controlplane.ansible.configurator import AnsibleConfigurator, ConfiguratorSettings
from controlplane.app import now
from controlplane.database import Database
from controlplane.hostwinds.root_password import root_password
from controlplane.pulumi.engine import PulumiEngine
from controlplane.reconciler.loop import Reconciler
from controlplane.reconciler.phase import AnyPhase
from controlplane.reconciler.phases.activation import Activation
from controlplane.reconciler.phases.cloud import Cloud
from controlplane.reconciler.phases.configuration import Configuration
from controlplane.reconciler.phases.dns import Dns
from controlplane.reconciler.phases.keys import Keys
from controlplane.reconciler.phases.verification import Verification
from controlplane.reconciler.table import Row
from controlplane.settings import Settings
from controlplane.verification import InternetVerifier
from kit.paths import checkout, state_dir
from vault import KeyRing, Vault

ROWS: tuple[Row, ...] = (
    Keys.row,
    Cloud.row,
    Dns.row,
    Configuration.row,
    Verification.row,
    Activation.row,
)
"""The table, as the API, the reference and the bench know it."""


def standard_phases(settings: Settings, environment: Mapping[str, str]) -> Sequence[AnyPhase]:
    """Return the phases on real providers and hosts; `environment` is the engine's."""
    verifier = InternetVerifier(
        resolver=settings.verification.resolver or None,
        source=settings.verification.source or None,
    )
    configurator = AnsibleConfigurator(
        ConfiguratorSettings(
            playbooks=checkout() / "playbooks",
            sender_sources=settings.hosts.sender_sources,
            ssh_sources=settings.hosts.ssh_sources,
            package_sources=settings.hosts.package_sources,
        )
    )
    return [
        Keys(),
        cloud(settings, environment),
        Dns(verifier),
        Configuration(configurator, root_password=root_password),
        Verification(verifier),
        Activation(),
    ]


def cloud(settings: Settings, environment: Mapping[str, str]) -> Cloud:
    """Return the cloud's phase on the Pulumi engine."""
    engine = PulumiEngine(
        installation=settings.platform.installation,
        environment=environment,
        root=state_dir() / "pulumi" / "operations",
    )
    return Cloud(engine, deadline=settings.reconciler.cloud_deadline)


def reconciler(settings: Settings, database: Database, phases: Sequence[AnyPhase]) -> Reconciler:
    """Put the reconciler together."""
    return Reconciler(
        database=database,
        vault=Vault(KeyRing.load(settings.vault.key_file)),
        platform=settings.platform,
        phases=phases,
        settings=settings.reconciler,
        clock=now,
    )
