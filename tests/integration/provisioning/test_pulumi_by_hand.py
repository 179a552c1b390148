"""`pulumi up` by hand and the reconciler's engine share one program and one state."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from blueprint.document import Blueprint
from controlplane.pulumi.engine import PulumiEngine
from hostwinds.journal.postgres import grant_rights
from kit.database import Role, role_dsn
from stacks.faults import CONFIGURED_PROVIDER
from tests.support.faults import assert_shows
from tests.support.installation import PASSWORDS, login
from tests.support.pooler import running_pooler
from tests.support.pulumi_engine import pulumi_engine
from tools.pulumi.engine import Engine

from .by_hand import ByHand
from .conftest import Cloud

pytestmark = pytest.mark.engine
DEADLINE = timedelta(minutes=10)


@pytest.fixture
def environment(
    request: pytest.FixtureRequest, environment: dict[str, str]
) -> Iterator[dict[str, str]]:
    """With state and journal in files, or in PostgreSQL behind a pooler."""
    if getattr(request, "param", "files") == "files":
        yield environment
        return
    database = request.getfixturevalue("upgraded")
    with psycopg.connect(database) as admin:
        grant_rights(admin, login(Role.JOURNAL))
    secrets = {role: PASSWORDS[role].get_secret_value() for role in (Role.ENGINE, Role.JOURNAL)}
    logins = {login(role): secret for role, secret in secrets.items()}
    with running_pooler(database, logins, request.getfixturevalue("servers_dir")) as pooled:
        state, journal = (role_dsn(pooled, *account) for account in logins.items())
        state = state.replace("postgresql://", "postgres://")
        yield {
            **environment,
            "PULUMI_BACKEND_URL": f"{state}&binary_parameters=yes",
            "HOSTWINDS_JOURNAL": journal,
        }


@pytest.fixture
def reconciler(environment: dict[str, str], tmp_path: Path) -> PulumiEngine:
    """The engine of the reconciler."""
    return pulumi_engine(environment, tmp_path / "operations")


@pytest.fixture
def by_hand(
    engine: Engine, environment: dict[str, str], blueprint: Blueprint, tmp_path: Path
) -> ByHand:
    shell = ByHand(engine, environment, tmp_path)
    shell.configure(blueprint)
    return shell


@pytest.mark.parametrize("environment", ["files", "pooler"], indirect=True)
def test_tenant_of_the_reconciler_is_unchanged_by_hand_and_back(
    by_hand: ByHand,
    reconciler: PulumiEngine,
    blueprint: Blueprint,
    cloud: Cloud,
) -> None:
    lines: list[str] = []
    assert reconciler.up(blueprint, lines.append, deadline=DEADLINE).pending == ("mx1-2",)
    cloud.sell_addresses(1)
    assert "changes" in by_hand.up()
    assert "unchanged" in (again := by_hand.up())
    assert "created" not in again
    assert "updated" not in again
    assert reconciler.preview(blueprint, lines.append).changes == ()
    state = reconciler.up(blueprint, lines.append, deadline=DEADLINE)
    assert state.digest == blueprint.digest
    assert state.pending == ()
    assert cloud.bought() == ["server", "address"]


def test_tenant_begun_by_hand_is_continued_by_the_reconciler(
    by_hand: ByHand,
    reconciler: PulumiEngine,
    blueprint: Blueprint,
    cloud: Cloud,
) -> None:
    done = by_hand.run("up", "--yes", "--skip-preview")
    assert "hostwinds.pending" in done.stdout, done.stdout + done.stderr
    assert reconciler.state("acme").pending == ("mx1-2",)
    cloud.sell_addresses(1)
    assert reconciler.up(blueprint, print, deadline=DEADLINE).pending == ()
    assert cloud.bought() == ["server", "address"]


def test_address_of_cloudflare_in_the_configuration_is_refused(
    by_hand: ByHand, blueprint: Blueprint, cloud: Cloud
) -> None:
    """It would lead round the gateway. A refresh uses the address of the last `up`."""
    address = cloud.environment["CLOUDFLARE_BASE_URL"]
    by_hand.configure(blueprint, f"cloudflare:baseUrl: {address}")
    refused = by_hand.run("up", "--yes", "--skip-preview")
    assert refused.returncode != 0
    assert_shows(refused.stdout, CONFIGURED_PROVIDER, key="cloudflare:baseUrl")
    assert cloud.bought() == []


def test_pending_address_survives_refresh_and_preview_by_hand(
    by_hand: ByHand,
    reconciler: PulumiEngine,
    blueprint: Blueprint,
    cloud: Cloud,
) -> None:
    """A refresh forgets that a resource is not complete; the plugin must not."""
    reconciler.up(blueprint, print, deadline=DEADLINE)
    by_hand.run_checked("refresh", "--yes", "--skip-preview")
    by_hand.run_checked("preview")
    cloud.sell_addresses(1)
    by_hand.up()
    assert reconciler.state("acme").pending == ()
    assert "mx1-2/A" in reconciler.state("acme").records
    assert cloud.bought() == ["server", "address"]


def test_label_changed_in_the_portal_replaces_nothing(
    by_hand: ByHand,
    reconciler: PulumiEngine,
    blueprint: Blueprint,
    cloud: Cloud,
) -> None:
    reconciler.up(blueprint, print, deadline=DEADLINE)
    cloud.sell_addresses(1)
    reconciler.up(blueprint, print, deadline=DEADLINE)
    [server] = cloud.hostwinds.all_servers()
    server.srvrname = "our mail server"
    assert "our mail server" in by_hand.run_checked("refresh", "--yes", "--skip-preview")
    assert "unchanged" in by_hand.up()
    assert list(cloud.hostwinds.all_servers()) == [server]
    assert cloud.bought() == ["server", "address"]
