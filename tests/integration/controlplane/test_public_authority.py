"""Certificates of Pebble by DNS-01, in passes: challenge records at the Cloudflare emulator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store
from sqlalchemy import NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

from composition.parts.public import public_app
from controlplane.acme.authority import AcmeAuthority
from controlplane.certificates import repository
from controlplane.certificates.keys import create_key
from controlplane.certificates.repository import Challenge
from controlplane.clock import now
from controlplane.database import CONTROLLER, role_engine
from controlplane.pulumi.challenge_records import LABEL, CloudflareChallenges
from controlplane.reconciler.authority import Account, Refused
from controlplane.reconciler.issuance import Ports
from controlplane.reconciler.phases.certificates import Certificates
from controlplane.settings import AuthoritySettings
from controlplane.verification.challenges import ChallengeNames
from kit.database import Role
from lab.acme import pebble
from lab.acme.pebble import BLOCKED, Pebble
from lab.acme.proxy import RATE_LIMITED, REFUSED, RETRY_AFTER, UNAVAILABLE, Proxy
from lab.cloudflare.account import CloudflareAccount
from lab.cloudflare.app import create_app
from lab.emulator_server import RunningServer, serve
from lab.memory import MemoryNameserver
from sender.tokens import Tokens
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.integration.verification.name_server import IP, NAMES, NameServer
from tests.support.emulator import Emulator
from tests.support.installation import INSTALLATION, PASSWORDS, login
from tests.support.phases import standard
from tests.support.points import killed

__all__ = ["stepped"]
TOKEN = "lab-token-of-forty-characters-0123456789"
ZONE, NAME = "acme.example", "mx1.acme.example"
MAC_KEYS = {"kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"}
CHALLENGE = f"{LABEL}.{NAME}"

pytestmark = [
    pytest.mark.xdist_group("pebble"),
    pytest.mark.skipif(not pebble.is_installed(), reason="pebble is not installed"),
]


class Served(MemoryNameserver):
    """Serves the emulator's zones by DNS, to Pebble as their recursive server too."""

    def __init__(self, names: NameServer) -> None:
        super().__init__()
        self._names = names
        names.own[NAMES[IP], "A"] = names.cached[NAMES[IP], "A"] = [IP]

    def create_zone(self, zone: str) -> None:
        super().create_zone(zone)
        self._names.own[zone, "NS"] = self._names.cached[zone, "NS"] = [f"{NAMES[IP]}."]

    def replace(self, zone: str, name: str, kind: str, ttl: int, rdata: Sequence[str]) -> None:
        super().replace(zone, name, kind, ttl, rdata)
        for answers in (self._names.own, self._names.cached):
            answers.pop((name, kind), None)
            if rdata:
                answers[name, kind] = [f'"{data}"' if kind == "TXT" else data for data in rdata]


@dataclass
class Running:
    """Pebble behind its proxy."""

    pebble: Pebble
    proxy: Proxy
    url: str


@pytest.fixture
async def names() -> AsyncIterator[NameServer]:
    server = await NameServer.start()
    yield server
    await server.close()


@pytest.fixture
def public(upgraded: str) -> Iterator[RunningServer]:
    """The public endpoints, with their own login."""
    url = role_engine(upgraded, login(Role.PUBLIC), PASSWORDS[Role.PUBLIC]).url
    engine = create_async_engine(url, poolclass=NullPool)  # of the server's own event loop
    server = serve(public_app(engine, Tokens(b"k" * 32)))
    yield server
    server.stop()


@pytest.fixture
def authority(names: NameServer, public: RunningServer, tmp_path: Path) -> Iterator[Running]:
    with ExitStack() as stack:
        resolver, port = f"{IP}:{names.port}", urlsplit(public.url).port or 0
        running = pebble.start(stack, tmp_path / "authority", resolver, http_port=port)
        proxy = Proxy(running)
        server = serve(proxy.app(), tls=running.certificate)
        stack.callback(server.stop)
        yield Running(running, proxy, f"{server.url}/dir")


@pytest.fixture
def bound(tmp_path: Path) -> Iterator[Pebble]:
    """An authority that makes accounts only for who has a key of its own."""
    with ExitStack() as stack:
        yield pebble.start(stack, tmp_path / "bound", f"{IP}:53", mac_keys=MAC_KEYS)


@pytest.fixture
def account(names: NameServer, emulator: Emulator) -> CloudflareAccount:
    account = CloudflareAccount(Served(names), TOKEN)
    account.register(ZONE)
    emulator.app = create_app(account)
    return account


@pytest.fixture
def ports(
    stepped: SteppedReconciler,
    names: NameServer,
    authority: Running,
    account: CloudflareAccount,
    emulator: Emulator,
) -> Ports:
    """Authority, provider and name servers, as the control plane has them."""
    del account
    environment = {
        "CLOUDFLARE_BASE_URL": f"{emulator.url}/client/v4",
        "CLOUDFLARE_API_TOKEN": TOKEN,
    }
    looks = ChallengeNames(f"{IP}:{names.port}", authoritative_port=names.port)

    async def shown(zone: str, name: str, content: str) -> None:
        await looks.shown(zone, name, content)
        stepped.points("shown")

    settings = AuthoritySettings(directory=authority.url, ca_file=authority.pebble.ca)
    return Ports(
        AcmeAuthority([settings]),
        CloudflareChallenges(environment, INSTALLATION, shown),
        orders_a_week=45,
    )


@pytest.fixture
def passes(stepped: SteppedReconciler, ports: Ports) -> SteppedReconciler:
    stepped.phases = standard(
        stepped.cloud,
        stepped.internet,
        stepped.configurator,
        servers=stepped.cloud.account,
        spools=stepped.spools,
        certificates=ports,
    )
    return stepped


def records(account: CloudflareAccount) -> list[str]:
    listed = [r for zone in account.zones() for r in account.records(str(zone["id"]))]
    return [str(record["name"]) for record in listed if LABEL in str(record["name"])]


async def shown(passes: SteppedReconciler) -> tuple[str, str]:
    return await passes.condition("CertificatesReady", "host/mx1")


async def chain(passes: SteppedReconciler) -> list[x509.Certificate]:
    async with passes.database.begin(CONTROLLER) as connection:
        issued = (await repository.current(connection, [NAME], now=passes.clock()))[NAME]
    return x509.load_pem_x509_certificates(issued.chain_pem.encode())


async def orders(passes: SteppedReconciler) -> int:
    async with passes.database.begin(CONTROLLER) as connection:
        counted = await connection.scalar(text("select count(*) from oltp.acme_orders"))
    return int(counted or 0)


async def test_it_is_issued_for_the_trusted_root_and_renewed_and_leaves_no_record(
    passes: SteppedReconciler, authority: Running, account: CloudflareAccount
) -> None:
    await passes.apply()
    await passes.step()
    assert await shown(passes) == ("True", "Issued")
    leaf, *others = await chain(passes)
    root = x509.load_pem_x509_certificate(authority.pebble.root.read_bytes())
    verifier = PolicyBuilder().store(Store([root])).time(leaf.not_valid_before_utc)
    verifier.build_server_verifier(x509.DNSName(NAME)).verify(leaf, others)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(hours=1)
    assert records(account) == []
    passes.clock.time = leaf.not_valid_after_utc - timedelta(minutes=10)
    await passes.step()
    assert (await chain(passes))[0].public_key() != leaf.public_key()
    assert records(account) == []


async def test_killed_while_its_record_is_published_the_same_order_ends(
    passes: SteppedReconciler, account: CloudflareAccount
) -> None:
    passes.points.kill("shown")
    await passes.apply()
    with killed():
        await passes.step()
    await passes.end_leases()
    assert records(account) == [CHALLENGE]
    passes.clock.advance(minutes=6)
    await passes.step()
    assert await shown(passes) == ("True", "Issued")
    assert records(account) == []
    assert await orders(passes) == 1


async def test_record_left_of_a_tenant_that_had_the_name_is_removed(
    passes: SteppedReconciler, account: CloudflareAccount, ports: Ports
) -> None:
    await ports.records.publish("former", NAME, "left")
    assert records(account) == [CHALLENGE]
    await passes.apply()
    await passes.step()
    assert await shown(passes) == ("True", "Issued")
    assert records(account) == []


async def test_authority_that_limits_is_asked_again_when_it_says(
    passes: SteppedReconciler, authority: Running
) -> None:
    authority.proxy.faults.inject(RATE_LIMITED)
    await passes.apply()
    await passes.step()
    assert await shown(passes) == ("False", "CertificateRateLimited")
    passes.clock.advance(seconds=RETRY_AFTER - 5)
    await passes.step()
    assert await shown(passes) == ("False", "CertificateRateLimited")
    passes.clock.advance(minutes=6)
    await passes.step()
    assert await shown(passes) == ("True", "Issued")


async def test_authority_that_is_away_is_asked_again(
    passes: SteppedReconciler, authority: Running
) -> None:
    authority.proxy.faults.inject(UNAVAILABLE, -1)
    await passes.apply()
    await passes.step()
    assert await shown(passes) == ("False", "CertificateAuthorityUnreachable")
    assert await passes.condition("Ready") == ("True", "Ready")
    authority.proxy.faults.clear()
    passes.clock.advance(minutes=6)
    await passes.step()
    assert await shown(passes) == ("True", "Issued")


async def test_authority_that_refuses_is_asked_again_after_a_pause(
    passes: SteppedReconciler, authority: Running
) -> None:
    authority.proxy.faults.inject(REFUSED, -1)
    await passes.apply()
    await passes.step()
    assert await shown(passes) == ("False", "CertificateRefused")
    authority.proxy.faults.clear()
    passes.clock.advance(minutes=6)
    await passes.step()
    assert await shown(passes) == ("True", "Issued")


def test_account_is_bound_to_one_that_the_authority_knows(bound: Pebble, tmp_path: Path) -> None:
    [(number, key)] = MAC_KEYS.items()
    (tmp_path / "key").write_text(f"{key}\n")
    url = f"https://127.0.0.1:{bound.port}/dir"
    account = Account(url, create_key())
    without = AuthoritySettings(directory=url, ca_file=bound.ca)
    with pytest.raises(Refused, match="externalAccountRequired"):
        AcmeAuthority([without]).register(account)
    known = without.model_copy(update={"eab_kid": number, "eab_key_file": tmp_path / "key"})
    assert AcmeAuthority([known]).register(account).startswith("https://")


async def test_blocked_domain_is_refused_with_the_authoritys_words(
    passes: SteppedReconciler, account: CloudflareAccount
) -> None:
    account.register(BLOCKED)
    hosts = [{"name": "mx1", "size": "business", "addresses": 2, "zone": BLOCKED}]
    await passes.apply(hosts=hosts, domains=[{"name": BLOCKED}], mailboxes=[])
    await passes.step()
    condition = await passes.shown_condition("CertificatesReady", "host/mx1")
    assert condition["reason"] == "CertificateRefused"
    assert "rejectedIdentifier" in condition["message"]


async def test_http_challenge_is_answered_by_the_public_endpoint(
    passes: SteppedReconciler,
    names: NameServer,
    public: RunningServer,
    ports: Ports,
) -> None:
    del public
    passes.clock.time = now()  # that of the database, which ends answers
    names.own[NAME, "A"] = names.cached[NAME, "A"] = [IP]
    by_http = Certificates(ports, lambda _: {"host/mx1": (NAME, Challenge.HTTP)})
    passes.phases = [by_http if p.row is Certificates.row else p for p in passes.phases]
    await passes.apply()
    await passes.step()
    assert await shown(passes) == ("True", "Issued")
    async with passes.database.begin(CONTROLLER) as connection:
        left = await connection.scalar(text("select count(*) from oltp.acme_challenges"))
    assert left == 0
