"""Records that name hosts and addresses are written when these exist."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.pulumi_engine import pulumi_engine
from tests.support.tenants import TEXT, rendered, tenant

from .conftest import Cloud

pytestmark = pytest.mark.engine
DEADLINE = timedelta(minutes=10)


def records_of(cloud: Cloud, *names: str) -> dict[str, str]:
    """Return the records of these names in zone acme.example: `TYPE name` to content."""
    [zone] = [z for z in cloud.cloudflare.zones() if z["name"] == "acme.example"]
    return {
        f"{record['type']} {record['name']}": record["content"].strip('"')
        for record in cloud.cloudflare.records(zone["id"])
        if record["name"] in names
    }


def test_spf_names_a_host_from_its_first_address_on(
    environment: dict[str, str], tmp_path: Path, cloud: Cloud
) -> None:
    engine = pulumi_engine(environment, tmp_path / "operations")
    both = rendered(
        tenant("mx1@acme.example", "mx2@beta.example", domains="acme.example beta.example")
    )
    names = ("acme.example", "b.acme.example")

    state = engine.up(both, print, deadline=DEADLINE)  # zone beta.example does not exist

    assert [host.name for host in state.hosts] == ["mx1"]
    found = records_of(cloud, *names)
    assert found["TXT acme.example"] == "v=spf1 a:out.mx1.acme.example ~all"
    assert found["TXT b.acme.example"] == "v=spf1 a:out.mx1.acme.example -all"

    cloud.cloudflare.create_zone("beta.example")
    engine.up(both, print, deadline=DEADLINE)
    of_both = "v=spf1 a:out.mx1.acme.example a:out.mx2.beta.example ~all"
    assert records_of(cloud, *names)["TXT acme.example"] == of_both
    assert engine.preview(both, print).changes == ()

    cloud.cloudflare.unreadable.add("beta.example")
    more = rendered(
        tenant("mx1@acme.example", "mx2@beta.example*2", domains="acme.example beta.example"), 2
    )
    engine.up(more, print, deadline=DEADLINE)  # held, and it has its address as before
    assert records_of(cloud, *names)["TXT acme.example"] == of_both

    cloud.cloudflare.unreadable.clear()
    one = rendered(tenant("mx1@acme.example", domains="acme.example beta.example"), 3)
    engine.up(one, print, deadline=DEADLINE)
    found = records_of(cloud, *names)
    assert found["TXT acme.example"] == "v=spf1 a:out.mx1.acme.example ~all"


def test_names_of_a_host_that_is_not_bought_are_not_written(
    environment: dict[str, str], tmp_path: Path, cloud: Cloud
) -> None:
    engine = pulumi_engine(environment, tmp_path / "operations")
    text = rendered(TEXT % ("{name: mx1}", "{name: gamma.example}"))

    state = engine.up(text, print, deadline=DEADLINE)

    assert (state.hosts, cloud.bought()) == ((), [])
    assert [key for key in state.records if key.startswith("mx1-1/")] == []


def test_names_that_an_owners_records_lead_to_stay_while_the_hosts_zone_is_held(
    environment: dict[str, str], tmp_path: Path, cloud: Cloud
) -> None:
    engine = pulumi_engine(environment, tmp_path / "operations")
    domains = "{name: acme.example}, {name: manual.example, dns: manual}"
    text = TEXT % ("{name: mx1, zone: acme.example}", domains)
    text += "  mailboxes: [{address: sales@manual.example}]"
    before = engine.up(rendered(text), print, deadline=DEADLINE).records
    assert {"mx1-1/manual.example", "mx1-1/all", "manual.example/DKIM/mu1"} <= set(before)

    cloud.cloudflare.unreadable.add("acme.example")
    held = engine.up(rendered(text, generation=2), print, deadline=DEADLINE)

    assert [zone.zone for zone in held.held] == ["acme.example"]
    assert held.records == before


def test_helo_names_have_their_records_when_the_address_was_bought(
    environment: dict[str, str], tmp_path: Path, cloud: Cloud
) -> None:
    engine = pulumi_engine(environment, tmp_path / "operations")
    text = rendered(tenant("mx1@acme.example*2", domains="acme.example"))
    names = ("mx1.acme.example", "mx1-2.acme.example", "out.mx1.acme.example")

    assert engine.up(text, print, deadline=DEADLINE).pending == ("mx1-2",)
    assert set(records_of(cloud, *names)) == {
        "A mx1.acme.example", "TXT mx1.acme.example", "MX mx1.acme.example",
        "A out.mx1.acme.example",
    }  # fmt: skip

    cloud.sell_addresses(1)
    assert engine.up(text, print, deadline=DEADLINE).pending == ()
    found = records_of(cloud, *names)
    assert found["MX mx1-2.acme.example"] == found["MX mx1.acme.example"] == "mx1.acme.example"
    assert found["TXT mx1-2.acme.example"] == "v=spf1 a -all"
    assert engine.preview(text, print).changes == ()
