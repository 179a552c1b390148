"""An engine whose controller was overtaken by a later holder of the lease changes nothing more."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from blueprint.document import Blueprint
from controlplane.pulumi import faults
from controlplane.pulumi.engine import PulumiEngine
from hostwinds.faults import SUPERSEDED
from hostwinds.journal.file import FileJournal
from kit.faults import Fault
from kit.locks import locked
from stacks.faults import OLDER_GENERATION
from tests.support.faults import assert_shows, fault_shown
from tests.support.installation import INSTALLATION
from tests.support.tenants import rendered, tenant
from tests.support.waiting import wait_for
from tools.pulumi.engine import Engine

from .by_hand import ByHand
from .conftest import Cloud
from .engine_records import write_lock

pytestmark = pytest.mark.engine
DEADLINE = timedelta(minutes=10)
FENCE = f"{INSTALLATION}/acme"


@pytest.fixture
def two_hosts() -> Blueprint:
    text = tenant("mx1@acme.example", "mx2@acme.example", domains="acme.example")
    return rendered(text, generation=2)


@pytest.fixture
def one_host() -> Blueprint:
    return rendered(tenant("mx1@acme.example", domains="acme.example"), generation=2)


@pytest.fixture
def journal(cloud: Cloud) -> FileJournal:
    return FileJournal(Path(cloud.environment["HOSTWINDS_JOURNAL"]))


def everything(cloud: Cloud) -> object:
    """Return the servers and records that exist."""
    servers = [server.serviceid for server in cloud.hostwinds.all_servers()]
    records = [
        (record["name"], record["type"], record["content"])
        for zone in cloud.cloudflare.zones()
        for record in cloud.cloudflare.records(zone["id"])
    ]
    return servers, records


def overtaken(act: Callable[[], object], cloud: Cloud, journal: FileJournal) -> Fault:
    """Return the fault of an operation under token 3, overtaken before it reaches the provider."""
    limiter = Path(f"{cloud.environment['HOSTWINDS_JOURNAL']}.limiter")
    with ThreadPoolExecutor(1) as pool:
        with locked(limiter):
            acting = pool.submit(act)
            wait_for(lambda: journal.fence(FENCE) == 3)
            journal.raise_fence(FENCE, 4)
        with pytest.raises(Fault) as caught:
            acting.result()
    return caught.value


def test_engine_that_is_overtaken_ends_no_server_and_writes_no_record(
    cloud_engine: PulumiEngine,
    two_hosts: Blueprint,
    one_host: Blueprint,
    cloud: Cloud,
    journal: FileJournal,
) -> None:
    cloud_engine.up(two_hosts, print, deadline=DEADLINE, fence=2)
    before = everything(cloud)

    fault = overtaken(
        lambda: cloud_engine.up(one_host, print, deadline=DEADLINE, fence=3), cloud, journal
    )

    assert_shows(fault, SUPERSEDED, name=FENCE)
    assert everything(cloud) == before
    cloud_engine.up(one_host, print, deadline=DEADLINE, fence=5)
    [left] = cloud.hostwinds.all_servers()
    assert left.srvrname == one_host.hosts[0].server_name


def test_deletion_that_is_overtaken_ends_nothing(
    cloud_engine: PulumiEngine, two_hosts: Blueprint, cloud: Cloud, journal: FileJournal
) -> None:
    cloud_engine.up(two_hosts, print, deadline=DEADLINE, fence=2)
    servers = [server.serviceid for server in cloud.hostwinds.all_servers()]

    fault = overtaken(
        lambda: cloud_engine.destroy("acme", print, deadline=DEADLINE, fence=3), cloud, journal
    )

    assert_shows(fault, SUPERSEDED, name=FENCE)
    assert [server.serviceid for server in cloud.hostwinds.all_servers()] == servers


def test_fence_is_raised_before_the_lock_of_another_run_is_looked_at(
    cloud_engine: PulumiEngine, one_host: Blueprint, environment: dict[str, str], cloud: Cloud,
    journal: FileJournal,
) -> None:  # fmt: skip
    write_lock(environment, pid=1, host="elsewhere")
    with fault_shown(faults.LOCKED, holder=..., stack="acme"):
        cloud_engine.up(one_host, print, deadline=DEADLINE, fence=5)
    assert journal.fence(FENCE) == 5
    assert cloud.bought() == []


def test_old_file_by_hand_changes_nothing(
    cloud_engine: PulumiEngine,
    engine: Engine,
    environment: dict[str, str],
    two_hosts: Blueprint,
    blueprint: Blueprint,
    cloud: Cloud,
    tmp_path: Path,
) -> None:
    cloud_engine.up(two_hosts, print, deadline=DEADLINE)
    before = everything(cloud)
    by_hand = ByHand(engine, environment, tmp_path)
    by_hand.configure(blueprint)

    refused = by_hand.run("up", "--yes", "--skip-preview")

    assert refused.returncode != 0
    assert_shows(refused.stdout, OLDER_GENERATION, stack="acme", known=2, given=1)
    assert everything(cloud) == before
