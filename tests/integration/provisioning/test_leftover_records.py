"""Records that an interrupted run has written, and that the document does not have any more."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from blueprint.records import ownership_comment
from controlplane.pulumi.engine import PulumiEngine
from hostwinds.faults import SUPERSEDED
from lab.cloudflare.tokens import READ_WRITE
from stacks.backend import Stacks
from stacks.faults import LEFTOVER, ZONE_NOT_SEARCHED
from tests.support.faults import assert_shows, fault_shown
from tests.support.installation import INSTALLATION
from tests.support.pulumi_engine import pulumi_engine
from tests.support.tenants import rendered, tenant

from .conftest import Cloud

pytestmark = pytest.mark.engine
DEADLINE = timedelta(minutes=10)
ACME = tenant("mx1@acme.example", domains="acme.example")
BOTH = tenant("mx1@acme.example", domains="acme.example beta.example")


class Account:
    """The zones of the account, and their records."""

    def __init__(self, cloud: Cloud) -> None:
        self._account = cloud.cloudflare

    def zone(self, name: str) -> str:
        return next(str(zone["id"]) for zone in self._account.zones() if zone["name"] == name)

    def write(self, zone: str, label: str, comment: str | None) -> str:
        """Write a TXT record, as a run does before it is killed; return its id."""
        record: dict[str, Any] = {"type": "TXT", "content": '"v=spf1 -all"', "ttl": 300}
        record |= {"name": f"{label}.{zone}", "comment": comment}
        return str(self._account.create(self.zone(zone), record)["id"])

    def ids(self, zone: str) -> set[str]:
        return {str(record["id"]) for record in self._account.records(self.zone(zone))}


@pytest.fixture
def account(cloud: Cloud) -> Account:
    cloud.cloudflare.create_zone("beta.example")
    return Account(cloud)


def mark(key: str, tenant: str = "acme") -> str:
    return ownership_comment(INSTALLATION, tenant, key)


def foreign(account: Account, zone: str) -> set[str]:
    """Write records that are not this tenant's, or have a life of their own."""
    return {
        account.write(zone, "mx7", None),
        account.write(zone, "mx8", mark("mx8-1/SPF", "acme-two")),
        account.write(zone, "mx9", ownership_comment("other", "acme", "mx9-1/SPF")),
        account.write(zone, "_acme-challenge.mx1", mark("_acme-challenge/mx1")),
    }


def test_record_of_an_interrupted_run_is_removed_by_the_next(
    cloud_engine: PulumiEngine, account: Account
) -> None:
    cloud_engine.up(rendered(ACME), print, deadline=DEADLINE)
    before = account.ids("acme.example")
    kept = foreign(account, "acme.example")
    account.write("acme.example", "mx2", mark("mx2-1/SPF"))
    cloud_engine.preview(rendered(ACME, generation=2), print)
    assert len(account.ids("acme.example")) == len(before | kept) + 1
    lines: list[str] = []
    cloud_engine.up(rendered(ACME, generation=2), lines.append, deadline=DEADLINE)
    assert account.ids("acme.example") == before | kept
    [shown] = [line for line in lines if LEFTOVER.name in line]
    assert_shows(shown, LEFTOVER, record="TXT mx2.acme.example", mark=mark("mx2-1/SPF"))


def test_zone_of_a_domain_that_left_the_document_is_searched_once_more(
    cloud_engine: PulumiEngine, account: Account, environment: dict[str, str]
) -> None:
    """The run that added the domain was killed after its first record; then it was taken out."""
    stacks = Stacks(environment["PULUMI_BACKEND_URL"])
    cloud_engine.up(rendered(ACME), print, deadline=DEADLINE)
    kept = foreign(account, "beta.example")
    account.write("beta.example", "pm", mark("beta.example/SPF"))
    beta = account.zone("beta.example")
    stacks.remember_zones("acme", {**stacks.zones("acme"), beta: "beta.example"})
    cloud_engine.up(rendered(ACME, generation=2), print, deadline=DEADLINE)
    assert account.ids("beta.example") == kept
    assert set(stacks.zones("acme")) == {account.zone("acme.example")}


def test_zones_where_records_were_written_are_remembered(
    cloud_engine: PulumiEngine, cloud: Cloud, environment: dict[str, str]
) -> None:
    cloud.cloudflare.create_zone("beta.example")
    cloud_engine.up(rendered(BOTH), print, deadline=DEADLINE)
    zones = Stacks(environment["PULUMI_BACKEND_URL"]).zones("acme")
    assert sorted(zones.values()) == ["acme.example", "beta.example"]


def test_records_of_an_interrupted_run_are_removed_with_their_tenant(
    cloud_engine: PulumiEngine, account: Account, environment: dict[str, str]
) -> None:
    cloud_engine.up(rendered(BOTH), print, deadline=DEADLINE)
    kept = {zone: foreign(account, zone) for zone in ("acme.example", "beta.example")}
    for zone in kept:
        account.write(zone, "mx2", mark(f"mx2-1/{zone}"))
    cloud_engine.destroy("acme", print, deadline=DEADLINE)
    assert {zone: account.ids(zone) for zone in kept} == kept
    assert Stacks(environment["PULUMI_BACKEND_URL"]).zones("acme") == {}


def test_zone_that_the_token_may_not_read_any_more_is_searched_later(
    cloud_engine: PulumiEngine,
    account: Account,
    cloud: Cloud,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    stacks = Stacks(environment["PULUMI_BACKEND_URL"])
    stacks.remember_zones("acme", {account.zone("beta.example"): "beta.example"})
    token = cloud.cloudflare.add_token(READ_WRITE, zones=["acme.example"])
    narrow = {**environment, "CLOUDFLARE_API_TOKEN": token}
    limited = pulumi_engine(narrow, tmp_path / "narrow")
    state = limited.up(rendered(ACME), print, deadline=DEADLINE)
    assert [held.code for held in state.held] == [ZONE_NOT_SEARCHED.name]
    with fault_shown(ZONE_NOT_SEARCHED, zone="beta.example"):
        limited.destroy("acme", print, deadline=DEADLINE)
    limited.destroy("acme", print, deadline=DEADLINE, forgotten=["beta.example"])
    assert json.dumps(stacks.zones("acme")) == "{}"


def test_overtaken_operation_removes_nothing(cloud_engine: PulumiEngine, account: Account) -> None:
    cloud_engine.up(rendered(ACME), print, deadline=DEADLINE, fence=5)
    left = account.write("acme.example", "mx2", mark("mx2-1/SPF"))
    with fault_shown(SUPERSEDED, name=f"{INSTALLATION}/acme"):
        cloud_engine.up(rendered(ACME, generation=2), print, deadline=DEADLINE, fence=4)
    assert left in account.ids("acme.example")
