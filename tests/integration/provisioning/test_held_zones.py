"""Only the zone whose look-up fails is held."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from controlplane.pulumi.engine import PulumiEngine
from controlplane.reconciler.ports import CloudState
from tests.support.tenants import rendered, tenant
from tools.pulumi.engine import Engine

from .by_hand import ByHand
from .conftest import Cloud

pytestmark = pytest.mark.engine
DEADLINE = timedelta(minutes=10)


@pytest.fixture
def by_hand(engine: Engine, environment: dict[str, str], tmp_path: Path) -> ByHand:
    return ByHand(engine, environment, tmp_path)


def records_of(cloud: Cloud, zone: str) -> dict[str, str]:
    """Return the records of a zone: `TYPE name` to content."""
    [match] = [z for z in cloud.cloudflare.zones() if z["name"] == zone]
    return {
        f"{record['type']} {record['name']}": record["content"]
        for record in cloud.cloudflare.records(match["id"])
    }


def held(state: CloudState) -> list[tuple[str, str]]:
    return [(held_zone.zone, held_zone.code) for held_zone in state.held]


def test_missing_zone_of_three_domains_holds_back_that_domain_only(
    cloud_engine: PulumiEngine, cloud: Cloud
) -> None:
    cloud.cloudflare.create_zone("beta.example")
    text = tenant("mx1@acme.example", domains="acme.example beta.example gamma.example")

    state = cloud_engine.up(rendered(text), print, deadline=DEADLINE)

    assert held(state) == [("gamma.example", "dns.zone_not_found")]
    assert state.held[0].message
    assert state.held[0].remedy
    assert cloud.bought() == ["server"]
    assert {key.partition("/")[0] for key in state.records} == {
        "mx1-1", "acme.example", "beta.example",
    }  # fmt: skip
    assert records_of(cloud, "beta.example")["MX beta.example"] == "mx1.acme.example"

    cloud.cloudflare.create_zone("gamma.example")
    state = cloud_engine.up(rendered(text), print, deadline=DEADLINE)

    assert held(state) == []
    assert records_of(cloud, "gamma.example")["MX gamma.example"] == "mx1.acme.example"


def test_missing_zone_of_three_domains_by_hand_holds_back_that_domain_only(
    by_hand: ByHand, cloud: Cloud
) -> None:
    cloud.cloudflare.create_zone("beta.example")
    text = tenant("mx1@acme.example", domains="acme.example beta.example gamma.example")
    by_hand.configure(rendered(text))

    shown = by_hand.up()

    assert (
        "[dns.zone_not_found] the Cloudflare account of this token has no zone gamma.example"
        in shown
    )
    assert cloud.bought() == ["server"]
    assert "MX beta.example" in records_of(cloud, "beta.example")


def test_failed_look_up_keeps_records_and_host_while_others_are_deleted(
    cloud_engine: PulumiEngine, cloud: Cloud
) -> None:
    cloud.cloudflare.create_zone("beta.example")
    before = rendered(
        tenant("mx1@acme.example", "mx2@beta.example", domains="acme.example beta.example")
    )
    state = cloud_engine.up(before, print, deadline=DEADLINE)
    assert held(state) == []
    unchanged = records_of(cloud, "acme.example")
    ids = {key: id_ for key, id_ in state.records.items() if "beta" not in key}
    cloud.cloudflare.unreadable.add("acme.example")

    after = rendered(
        tenant("mx1@acme.example*2", domains="acme.example beta.example"), generation=2
    )
    plan = cloud_engine.preview(after, print)
    state = cloud_engine.up(after, print, deadline=DEADLINE)

    assert held(state) == [("acme.example", "cloudflare.error")]
    assert records_of(cloud, "acme.example") == unchanged
    assert {key: state.records[key] for key in ids if key.startswith(("mx1", "acme"))} == {
        key: id_ for key, id_ in ids.items() if key.startswith(("mx1", "acme"))
    }
    assert [host.name for host in state.hosts] == ["mx1"]
    assert [address.name for address in state.hosts[0].addresses] == ["mx1-1"]
    assert state.hosts[0].addresses[0].helo == "mx1.acme.example"
    assert "A mx2.beta.example" not in records_of(cloud, "beta.example")
    assert len(list(cloud.hostwinds.all_servers())) == 1
    touched = {change.name for change in plan.changes}
    assert not {name for name in touched if name.startswith(("mx1", "acme.example"))}

    cloud.cloudflare.unreadable.clear()
    assert held(cloud_engine.up(after, print, deadline=DEADLINE)) == []
    cloud.sell_addresses(1)
    state = cloud_engine.up(after, print, deadline=DEADLINE)
    assert state.pending == ()
    assert "A mx1-2.acme.example" in records_of(cloud, "acme.example")
    assert cloud_engine.preview(after, print).changes == ()
    assert cloud.bought() == ["server", "server", "address"]


def test_failed_look_up_by_hand_keeps_records_while_another_zones_record_is_deleted(
    by_hand: ByHand, cloud: Cloud
) -> None:
    cloud.cloudflare.create_zone("beta.example")
    by_hand.configure(rendered(tenant("mx1@beta.example*2", domains="acme.example beta.example")))
    assert by_hand.run("up", "--yes", "--skip-preview").returncode != 0  # an address is pending
    cloud.sell_addresses(1)
    by_hand.up()
    unchanged = records_of(cloud, "acme.example")
    cloud.cloudflare.unreadable.add("acme.example")

    by_hand.configure(rendered(tenant("mx1@beta.example", domains="acme.example beta.example")))
    shown = by_hand.up()

    assert "[cloudflare.error]" in shown
    assert records_of(cloud, "acme.example") == unchanged
    assert "A mx1-2.beta.example" not in records_of(cloud, "beta.example")
    assert "A mx1.beta.example" in records_of(cloud, "beta.example")


def test_host_that_is_removed_stays_while_the_zone_of_its_names_is_held(
    cloud_engine: PulumiEngine, cloud: Cloud
) -> None:
    cloud.cloudflare.create_zone("beta.example")
    both = tenant("mx1@acme.example", "mx2@beta.example", domains="acme.example beta.example")
    cloud_engine.up(rendered(both), print, deadline=DEADLINE)
    cloud.cloudflare.unreadable.add("beta.example")

    only_mx1 = rendered(tenant("mx1@acme.example", domains="acme.example beta.example"))
    state = cloud_engine.up(only_mx1, print, deadline=DEADLINE)

    assert {host.name for host in state.hosts} == {"mx1", "mx2"}
    assert "A mx2.beta.example" in records_of(cloud, "beta.example")

    cloud.cloudflare.unreadable.clear()
    state = cloud_engine.up(only_mx1, print, deadline=DEADLINE)

    assert {host.name for host in state.hosts} == {"mx1"}
    assert "A mx2.beta.example" not in records_of(cloud, "beta.example")
