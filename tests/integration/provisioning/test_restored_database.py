"""A purchase that was made after a backup: with the real engine, on the restored database."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from blueprint.naming import tenant_of
from controlplane.database import CONTROLLER
from controlplane.schedule import repository as schedule
from controlplane.tenants import repository as tenants
from hostwinds.client import Client
from hostwinds.faults import DATABASE_RESTORED
from hostwinds.journal.postgres import PostgresJournal, grant_rights
from hostwinds.recovery import Finding, adopt, compare
from kit.database import Role
from tests.support.backups import dump, restored
from tests.support.faults import assert_shows
from tests.support.installation import INSTALLATION, login

from .conftest import Cloud
from .control_plane import FILE, CommandLine, ControlPlane

pytestmark = pytest.mark.engine


async def refresh_all(control_plane: ControlPlane) -> None:
    """Do what `penguin purchases recover` does in the database of the control plane."""
    at = datetime.now(UTC)
    async with control_plane.database.begin(CONTROLLER) as connection:
        await schedule.raise_epoch(connection)
        await tenants.ask_refresh_of_all(connection, at)
        await schedule.request_pass_of_all(connection, now=at)


def test_purchase_of_after_the_backup_is_adopted_after_a_recovery_and_nothing_before(
    control_plane: ControlPlane,
    penguin: CommandLine,
    cloud: Cloud,
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with psycopg.connect(control_plane.dsn) as admin:
        grant_rights(admin, login(Role.JOURNAL))
    penguin.apply(FILE)
    content = dump(control_plane.dsn)
    state, backup = tmp_path / "state", tmp_path / "state of the backup"
    shutil.copytree(state, backup)
    control_plane.reconcile()
    assert cloud.bought() == ["server"]
    [server] = cloud.hostwinds.all_servers()
    shutil.rmtree(state)
    shutil.copytree(backup, state)
    later = tmp_path / "later"
    later.mkdir()
    with restored(control_plane.dsn, content) as dsn:
        after = ControlPlane(dsn, environment, later)
        with after.serving() as (url, key):
            monkeypatch.setenv("PENGUIN_API_URL", url)
            monkeypatch.setenv("PENGUIN_API_KEY", key.secret)
            for _ in range(2):
                after.reconcile()
            assert_shows(penguin.condition("InfrastructureReady"), DATABASE_RESTORED)
            assert cloud.bought() == ["server"]
            journal = PostgresJournal(dsn)
            with Client.from_environment(after.environment) as client:
                found = compare(
                    client.instances(),
                    journal.ledger(),
                    wanted={server.srvrname},
                    is_ours=lambda name: tenant_of(name, INSTALLATION) == "acme",
                )
            assert [one.finding for one in found] == [Finding.ADOPTED]
            adopt(journal, found)
            after.run(refresh_all(after))
            journal.bind()
            for _ in range(3):
                after.reconcile()
            assert cloud.bought() == ["server"]
            [row] = [row for row in journal.intents() if row.owner]
            assert (row.key, row.outcome) == (server.srvrname, str(server.serviceid))
            waited = penguin("wait", "tenant", "acme", "--for=condition=DnsReady", "--timeout=0s")
            assert waited.status == 0, waited.err + penguin("describe", "tenant", "acme").out
