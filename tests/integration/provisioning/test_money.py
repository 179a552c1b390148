"""Prices, unclear answers and keys of the provider, as users see them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from blueprint.document import Blueprint
from blueprint.naming import server_name
from controlplane.reconciler.faults import SERVER_GONE
from hostwinds import faults as provider
from hostwinds.journal.file import FileJournal
from hostwinds.journal.postgres import PostgresJournal
from stacks.backend import Stacks
from tests.support.faults import assert_shows, fault_shown
from tests.support.installation import INSTALLATION
from tests.support.pulumi_engine import pulumi_engine
from tools.pulumi.engine import Engine

from .by_hand import ByHand
from .conftest import Cloud
from .control_plane import FILE, CommandLine, ControlPlane

pytestmark = pytest.mark.engine
DEADLINE = timedelta(minutes=10)
NAME = server_name(INSTALLATION, "acme", "mx1", 1)
ROSE = {"name": NAME, "asked": "45.99", "agreed": "at most 38.99 USD"}
SAID = "Your account is on hold"


def assert_dns_is_ready(penguin: CommandLine) -> None:
    waited = penguin("wait", "tenant", "acme", "--for=condition=DnsReady", "--timeout=0s")
    assert waited.status == 0, waited.err + penguin("describe", "tenant", "acme").out


def test_price_that_rose_after_it_was_shown_waits_for_an_operator(
    control_plane: ControlPlane,
    cloud: Cloud,
    penguin: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOSTWINDS_JOURNAL", control_plane.dsn)
    control_plane.file.write_text(FILE)
    assert "$38.99" in penguin("diff", "-f", str(control_plane.file)).out
    penguin.apply(FILE)
    cloud.hostwinds.settings.prices = {"54": "45.99"}
    for _ in range(2):
        control_plane.reconcile()
        condition = penguin.condition("InfrastructureReady")
        assert_shows(condition, provider.PRICE_NOT_AGREED, **ROSE)
        assert "stack/acme/mx1" in condition["message"]
    assert cloud.bought() == []
    agreed = penguin("purchases", "agree", NAME, "45.99")
    assert agreed.status == 0, agreed.err
    control_plane.reconcile()
    assert_dns_is_ready(penguin)
    assert cloud.bought() == ["server"]
    [row] = PostgresJournal(control_plane.dsn).ledger()
    assert (row.agreed_cents, row.ceiling_cents, row.account) == (4599, 4599, "1")
    cloud.hostwinds.settings.prices = {"54": "99.00"}
    control_plane.reconcile()
    assert_dns_is_ready(penguin)


def test_price_that_rose_is_not_paid_by_hand(
    engine: Engine, environment: dict[str, str], blueprint: Blueprint, cloud: Cloud, tmp_path: Path
) -> None:
    by_hand = ByHand(engine, environment, tmp_path)
    by_hand.configure(blueprint)
    cloud.hostwinds.settings.prices = {"54": "45.99"}
    refused = by_hand.run("up", "--yes", "--skip-preview")
    assert refused.returncode != 0
    assert_shows(refused.stdout, provider.PRICE_NOT_AGREED, **ROSE)
    assert cloud.bought() == []


@pytest.mark.parametrize("journal", [None, "journal.json"])
def test_run_by_hand_without_the_shared_journal_is_refused(
    engine: Engine,
    environment: dict[str, str],
    blueprint: Blueprint,
    cloud: Cloud,
    tmp_path: Path,
    journal: str | None,
) -> None:
    """Also before it asks the real provider anything: no such request can be made here."""
    del environment["HOSTWINDS_JOURNAL"], environment["HOSTWINDS_API_URL"]
    if journal is not None:
        environment["HOSTWINDS_JOURNAL"] = str(tmp_path / journal)
    by_hand = ByHand(engine, environment, tmp_path)
    by_hand.configure(blueprint)
    for command in (("preview",), ("up", "--yes", "--skip-preview")):
        refused = by_hand.run(*command)
        assert refused.returncode != 0
        assert_shows(refused.stdout + refused.stderr, provider.NO_JOURNAL, problem=...)
    assert cloud.bought() == []


def test_run_with_another_journal_than_the_last_one_is_refused(
    environment: dict[str, str], blueprint: Blueprint, cloud: Cloud, tmp_path: Path
) -> None:
    """Such as by hand, with a journal of its own."""
    pulumi_engine(environment, tmp_path / "one").up(blueprint, print, deadline=DEADLINE)
    other = FileJournal(tmp_path / "other.json")
    changed = {**environment, "HOSTWINDS_JOURNAL": str(tmp_path / "other.json")}
    known = FileJournal(Path(environment["HOSTWINDS_JOURNAL"])).identity()
    for run in ("preview", "up"):
        engine = pulumi_engine(changed, tmp_path / "two")
        with fault_shown(provider.OTHER_JOURNAL, stack="acme", known=known, here=other.identity()):
            if run == "preview":
                engine.preview(blueprint, print)
            else:
                engine.up(blueprint, print, deadline=DEADLINE)
    other.replace(known)
    pulumi_engine(changed, tmp_path / "two").up(blueprint, print, deadline=DEADLINE)
    assert cloud.bought() == ["server"]


def test_order_that_is_not_confirmed_is_shown_at_once_and_found_later(
    control_plane: ControlPlane, cloud: Cloud, penguin: CommandLine
) -> None:
    cloud.hostwinds.settings.odd_body = "status_key"
    cloud.hostwinds.settings.only = "add_instance"
    cloud.hostwinds.settings.listed_after = 1000
    cloud.hostwinds.faults.inject("odd_done", times=-1)
    penguin.apply(FILE)
    for _ in range(2):
        control_plane.reconcile()
        condition = penguin.condition("InfrastructureReady")
        assert_shows(condition, provider.HALF_DONE, name=NAME, answer=...)
        assert SAID in condition["message"]
    assert cloud.bought() == ["server"]
    for server in cloud.hostwinds.all_servers():
        server.visible_at = server.active_at = 0
    control_plane.reconcile()
    assert_dns_is_ready(penguin)
    assert cloud.bought() == ["server"]


def test_tenant_is_deleted_only_with_a_key_of_its_account(
    control_plane: ControlPlane, cloud: Cloud, penguin: CommandLine
) -> None:
    penguin.apply(FILE)
    control_plane.reconcile()
    cloud.hostwinds.settings.key = "rotated"
    assert penguin("delete", "tenant", "acme", "--yes").status == 0
    control_plane.reconcile()
    assert [server.srvrname for server in cloud.hostwinds.all_servers()] == [NAME]
    assert [row.key for row in PostgresJournal(control_plane.dsn).intents()] == [NAME]
    logged = penguin("logs", "acme").out
    assert f"{provider.UNAUTHORIZED.name}: stack/acme: " in logged
    assert provider.UNAUTHORIZED.remedy in logged
    cloud.hostwinds.switchboard.restore()
    penguin("delete", "tenant", "acme", "--yes")
    control_plane.reconcile()
    assert list(cloud.hostwinds.all_servers()) == []
    assert penguin("get", "tenant", "acme").status == 1
    [row] = [r for r in PostgresJournal(control_plane.dsn).ledger() if r.ordered]
    assert row.closed_at is not None


def test_refresh_by_hand_forgets_nothing_for_a_key_of_another_account(
    engine: Engine,
    environment: dict[str, str],
    blueprint: Blueprint,
    cloud: Cloud,
    tmp_path: Path,
) -> None:
    by_hand = ByHand(engine, environment, tmp_path)
    by_hand.configure(blueprint)
    by_hand.run("up", "--yes", "--skip-preview")
    state = Stacks(environment["PULUMI_BACKEND_URL"])
    before = [row["urn"] for row in state.resources("acme")]
    cloud.hostwinds.settings.userid = 2
    refreshed = by_hand.run("refresh", "--yes", "--skip-preview")
    assert refreshed.returncode != 0
    assert_shows(refreshed.stdout, provider.NOT_SHOWN, name=NAME)
    assert [row["urn"] for row in state.resources("acme")] == before
    assert cloud.bought() == ["server"]


def test_purchase_that_a_person_has_settled_continues_without_another_apply(
    control_plane: ControlPlane,
    cloud: Cloud,
    penguin: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOSTWINDS_JOURNAL", control_plane.dsn)
    control_plane.environment["HOSTWINDS_PROVISIONING_DEADLINE"] = "0"
    cloud.hostwinds.faults.inject("not_delivered")
    penguin.apply(FILE)
    for _ in range(2):
        control_plane.reconcile()
        condition = penguin.condition("InfrastructureReady")
        assert_shows(condition, provider.PURCHASE_AMBIGUOUS, name=NAME, opened=..., answer=...)
    del control_plane.environment["HOSTWINDS_PROVISIONING_DEADLINE"]
    assert penguin("purchases", "forget", NAME).status == 0
    control_plane.reconcile()
    assert_dns_is_ready(penguin)
    assert cloud.bought() == ["server", "server"]  # the first one was paid and never delivered


def test_server_of_another_name_is_not_adopted_by_a_wrong_number(
    control_plane: ControlPlane,
    cloud: Cloud,
    penguin: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOSTWINDS_JOURNAL", control_plane.dsn)
    website = cloud.hostwinds.order("our-website", "52", 12)
    PostgresJournal(control_plane.dsn).open(NAME)
    assert penguin("purchases", "settle", NAME, str(website)).status == 0
    penguin.apply(FILE)
    control_plane.reconcile()
    condition = penguin.condition("InfrastructureReady")
    values = {"service_id": website, "label": "our-website", "name": NAME}
    assert_shows(condition, provider.NAMED_OTHERWISE, **values)
    penguin("delete", "tenant", "acme", "--yes")
    control_plane.reconcile()
    assert_shows(penguin.condition("Ready"), provider.NAMED_OTHERWISE, **values)
    assert penguin("purchases", "forget", NAME).status == 0
    control_plane.reconcile()
    assert penguin("get", "tenant", "acme").status == 1
    assert [server.srvrname for server in cloud.hostwinds.all_servers()] == ["our-website"]


def test_server_that_has_ended_is_bought_again_by_a_retry_with_a_yes_unless_it_is_frozen(
    control_plane: ControlPlane,
    cloud: Cloud,
    penguin: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOSTWINDS_JOURNAL", control_plane.dsn)
    cloud.hostwinds.order("our-website", "52", 12)  # shows that the key reaches the account
    penguin.apply(FILE)
    control_plane.reconcile()
    assert_dns_is_ready(penguin)
    [server] = [one for one in cloud.hostwinds.all_servers() if one.srvrname == NAME]
    cloud.hostwinds.end(server.serviceid)
    control_plane.reconcile()
    gone = {"service_id": server.serviceid, "host": "mx1", "name": NAME}
    assert_shows(penguin.condition("InfrastructureReady"), SERVER_GONE, **gone)
    assert "$38.99 a month" in penguin("retry", "acme").err
    assert penguin("retry", "--reason", "cloud.server_gone").status == 0
    control_plane.reconcile()
    assert cloud.bought() == ["server", "server"], "the website, and the first one"

    assert penguin("freeze", "purchases", "--reason", "the bill is being checked").status == 0
    assert penguin("retry", "acme", "--yes").status == 0
    control_plane.reconcile()
    assert cloud.bought() == ["server", "server"]
    assert penguin("unfreeze", "purchases", "--reason", "it is right").status == 0
    control_plane.reconcile()
    assert_dns_is_ready(penguin)
    assert cloud.bought() == ["server", "server", "server"]
    assert [row.key for row in PostgresJournal(control_plane.dsn).intents()] == [NAME]
