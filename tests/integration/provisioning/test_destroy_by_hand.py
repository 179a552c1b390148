"""What `pulumi destroy` by hand ends, what it leaves, and what the control plane makes of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from blueprint.document import Blueprint
from blueprint.records import ownership_comment
from controlplane.reconciler.faults import STACK_EMPTY
from hostwinds.journal.file import FileJournal
from stacks.backend import Stacks
from tests.support.installation import INSTALLATION
from tests.support.memory_configurator import PASSWORD, MemoryConfigurator
from tests.support.pulumi_engine import pulumi_engine
from tests.support.tenants import rendered, tenant
from tools.pulumi.engine import Engine

from .by_hand import ByHand
from .conftest import Cloud
from .control_plane import FILE, CommandLine, ControlPlane

pytestmark = pytest.mark.engine
DEADLINE = timedelta(minutes=10)
DESTROY = ("destroy", "--yes", "--skip-preview")
LEFT = ownership_comment(INSTALLATION, "acme", "mx2-1/SPF")
"""The mark of a record that an interrupted run has written."""


def marks(cloud: Cloud) -> list[str]:
    """Return the marks of the records that are ours."""
    records = [
        one for zone in cloud.cloudflare.zones() for one in cloud.cloudflare.records(zone["id"])
    ]
    comments = [str(record.get("comment")) for record in records]
    return [comment for comment in comments if comment.startswith(f"pm:{INSTALLATION}:")]


def test_what_no_state_has_stays_until_the_tenant_is_deleted(
    engine: Engine,
    environment: dict[str, str],
    blueprint: Blueprint,
    cloud: Cloud,
    tmp_path: Path,
) -> None:
    reconciler = pulumi_engine(environment, tmp_path / "operations")
    stacks = Stacks(environment["PULUMI_BACKEND_URL"])
    by_hand = ByHand(engine, environment, tmp_path)
    by_hand.configure(blueprint)
    reconciler.up(blueprint, print, deadline=DEADLINE)
    zone = next(zone for zone in cloud.cloudflare.zones() if zone["name"] == "acme.example")
    record = {"type": "TXT", "content": '"v=spf1 -all"', "ttl": 300, "name": "mx2.acme.example"}
    cloud.cloudflare.create(zone["id"], {**record, "comment": LEFT})

    by_hand.run_checked(*DESTROY)
    assert list(cloud.hostwinds.all_servers()) == []
    assert FileJournal(Path(environment["HOSTWINDS_JOURNAL"])).intents() == []
    assert marks(cloud) == [LEFT]
    assert stacks.exists("acme")
    assert stacks.zones("acme")

    reconciler.destroy("acme", print, deadline=DEADLINE)
    assert marks(cloud) == []
    assert not stacks.exists("acme")
    assert stacks.zones("acme") == {}


def test_servers_that_were_destroyed_by_hand_are_not_ordered_again_unasked(
    engine: Engine,
    control_plane: ControlPlane,
    cloud: Cloud,
    penguin: CommandLine,
    tmp_path: Path,
) -> None:
    control_plane.configurator = MemoryConfigurator()
    control_plane.root_password = lambda _: PASSWORD
    penguin.apply(FILE)
    control_plane.reconcile()
    bought = cloud.bought()
    by_hand = ByHand(engine, control_plane.environment, tmp_path)
    by_hand.configure(rendered(tenant("mx1@acme.example", domains="acme.example")))
    by_hand.run_checked(*DESTROY)
    for _ in range(2):
        control_plane.reconcile()
    assert STACK_EMPTY.reason in penguin("describe", "tenant", "acme").out
    assert cloud.bought() == bought
    penguin.apply(FILE)
    control_plane.reconcile()
    assert cloud.bought() == [*bought, "server"]
