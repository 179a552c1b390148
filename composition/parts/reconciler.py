"""The part `reconciler`: the phases, each with the adapters and credentials that it needs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

from blueprint.naming import tenant_of
from composition.heartbeat import Progress
from composition.metrics import served
from composition.outside import outside
from composition.parts.settings import Part, ReconcilerPart
from composition.phases import Adapters, make_phases
from composition.process import start
from controlplane.acme.authority import AcmeAuthority
from controlplane.ansible.configurator import AnsibleConfigurator, ConfiguratorSettings
from controlplane.ansible.mailboxes import HostMailboxes
from controlplane.ansible.spools import HostSpools
from controlplane.conditions.failures import FailureThreshold
from controlplane.database import Database
from controlplane.hostwinds.firewall_look import FirewallLook
from controlplane.hostwinds.ledger import HostwindsLedger
from controlplane.hostwinds.root_password import root_password
from controlplane.hostwinds.servers import HostwindsServers
from controlplane.pulumi.challenge_records import CloudflareChallenges
from controlplane.pulumi.engine import PulumiEngine
from controlplane.queue import overdue
from controlplane.reconciler import history
from controlplane.reconciler.high_water_mark import HighWaterMark
from controlplane.reconciler.issuance import Ports
from controlplane.reconciler.loop import Reconciler
from controlplane.reconciler.metrics import Metrics
from controlplane.reconciler.phase import AnyPhase
from controlplane.reconciler.phase_run import CONCURRENT_STEPS
from controlplane.reconciler.ports import Servers
from controlplane.reconciler.sweep import Sweep
from controlplane.verification.challenges import ChallengeNames
from controlplane.verification.roundtrip import MailRoundTrips
from hostwinds.purchase import Deadlines
from hostwinds.variables import END_DEADLINE, PORTAL_DEADLINE, SERVER_DEADLINE
from kit.paths import checkout, state_dir
from tools.pulumi.engine import GATEWAY
from vault import KeyRing, Vault

MEGABYTE = 2**20


def standard_phases(settings: ReconcilerPart, servers: Servers) -> Sequence[AnyPhase]:
    """Return the phases on real providers and hosts."""
    return make_phases(
        Adapters(
            engine=engine(settings),
            servers=servers,
            outside=outside(settings.verification, settings.certificates.roots),
            configurator=AnsibleConfigurator(
                ConfiguratorSettings(
                    playbooks=checkout() / "playbooks",
                    sender_sources=settings.hosts.sender_sources,
                    ssh_sources=settings.hosts.ssh_sources,
                    package_sources=settings.hosts.package_sources,
                    time_servers=settings.hosts.time_servers,
                    forwarders=settings.hosts.forwarders,
                    trust_anchor=settings.hosts.trust_anchor or None,
                    echo_mx=settings.verification.echo_mx or None,
                    registry_authorities=settings.images.authorities(),
                )
            ),
            root_password=partial(root_password, environment=environment(settings)),
            messages_a_day=settings.hosts.messages_a_day,
            firewall=FirewallLook(environment(settings)),
            spools=HostSpools(),
            mailboxes=HostMailboxes(),
            round_trips=MailRoundTrips(
                echo_mx=settings.verification.echo_mx or None,
                source=settings.verification.source or None,
                roots=settings.certificates.roots,
            ),
            certificates=certificates(settings),
            drain=settings.reconciler.drain,
            cloud_deadline=settings.reconciler.cloud_deadline,
            provisioning=provisioning(settings),
            threshold=FailureThreshold(settings.verification.looks, settings.verification.period),
            check_intervals=settings.verification.intervals,
        )
    )


def certificates(settings: ReconcilerPart) -> Ports:
    """Return the public authorities, whose challenges are answered at Cloudflare."""
    names = ChallengeNames(settings.verification.resolver or None)
    records = CloudflareChallenges(environment(settings), settings.installation, names.shown)
    authority = AcmeAuthority(settings.certificates.authorities)
    return Ports(authority, records, settings.certificates.orders_a_week)


def engine(settings: ReconcilerPart) -> PulumiEngine:
    """Return the Pulumi engine of this installation."""
    return PulumiEngine(
        installation=settings.installation,
        environment=environment(settings),
        root=state_dir() / "pulumi" / "operations",
        gateway=GATEWAY,
        memory=settings.reconciler.engine_memory * MEGABYTE,
    )


def environment(settings: ReconcilerPart) -> dict[str, str]:
    """Return the variables of the engine's operations, which wait neither for new servers, ends of
    servers, nor the provider's portal: they have slots."""
    given = {name: value.get_secret_value() for name, value in settings.engine.items()}
    return {SERVER_DEADLINE: "0", END_DEADLINE: "0", PORTAL_DEADLINE: "0", **given}


def provisioning(settings: ReconcilerPart) -> timedelta:
    """Return how long the provider may take to create a server."""
    return timedelta(seconds=Deadlines.from_environment(environment(settings)).provisioning)


def account(settings: ReconcilerPart) -> HostwindsServers:
    """Return the servers of the provider's account."""

    def is_ours(name: str) -> bool:
        return tenant_of(name, settings.installation) is not None

    return HostwindsServers(environment(settings), is_ours=is_ours)


async def reconcile(
    settings: ReconcilerPart,
    phases: Sequence[AnyPhase],
    servers: Servers,
    progress: Progress,
    stop: asyncio.Event,
) -> None:
    """Reconcile tenants until `stop` is set; a pass ends at its next step.

    The account of `servers` is swept for what concerns a tenant.
    """
    database = Database.connect(
        settings.dsn, settings.installation, settings.passwords, pool_size=settings.pool_size
    )
    clock = database.keep_time()
    sweep = Sweep(database, servers, clock)
    metrics = Metrics(sweep_age=sweep.age)
    progress.trouble = sweep.trouble
    reconciler = Reconciler(
        database=database,
        vault=Vault(KeyRing.load(settings.key_file)),
        platform=settings.platform,
        phases=phases,
        settings=settings.reconciler,
        clock=clock,
        metrics=metrics,
        high_water_mark=HighWaterMark(
            HostwindsLedger(environment(settings)), state_dir() / f"{settings.installation}.token"
        ),
    )
    # A pass holds a thread for each of its steps, or one to observe; those with slots are beside
    # the workers' passes.
    given = settings.reconciler
    threads = (given.workers + given.engine_slots + given.host_slots) * CONCURRENT_STEPS
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(threads))
    watching = {
        asyncio.create_task(overdue.watch(database, clock, stop)),
        asyncio.create_task(history.watch(database, clock, settings.reconciler, stop)),
        asyncio.create_task(sweep.watch(stop)),
    }
    try:
        async with served(settings.socket, metrics.text):
            await reconciler.run(stop, progress.tick)
    finally:
        await asyncio.wait(watching)
        await database.close()


async def work(settings: ReconcilerPart, progress: Progress, stop: asyncio.Event) -> None:
    """Reconcile with real providers and hosts."""
    servers = account(settings)
    await reconcile(settings, standard_phases(settings, servers), servers, progress, stop)


def main() -> None:
    """Run the part."""
    start(Part.RECONCILER, ReconcilerPart, work)
