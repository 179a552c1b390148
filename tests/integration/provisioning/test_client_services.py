"""The records by which mail clients find mailboxes are written, and found again as they are."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from stacks.domaindns import service_of
from tests.support.pulumi_engine import pulumi_engine
from tests.support.tenants import rendered, tenant

from .conftest import Cloud

pytestmark = pytest.mark.engine
DEADLINE = timedelta(minutes=10)
WITHOUT = tenant("mx1@acme.example", domains="acme.example")
WITH_MAILU = WITHOUT.replace("mail: none", "mail: mailu")


def services(cloud: Cloud) -> dict[str, str]:
    [zone] = [zone for zone in cloud.cloudflare.zones() if zone["name"] == "acme.example"]
    records = cloud.cloudflare.records(zone["id"])
    return {
        each["name"]: f"{each['priority']} {each['content']}"
        for each in records
        if each["type"] == "SRV"
    }


def test_services_are_written_once_and_removed_with_the_mailboxes(
    environment: dict[str, str], cloud: Cloud, tmp_path: Path
) -> None:
    engine = pulumi_engine(environment, tmp_path / "operations")
    blueprint = rendered(WITH_MAILU)
    engine.up(blueprint, print, deadline=DEADLINE)
    written = services(cloud)
    assert len(written) == 6
    assert written["_imaps._tcp.acme.example"] == "0 1 993 mx1.acme.example"
    assert written["_imap._tcp.acme.example"] == "0 0 0 ."
    assert engine.preview(blueprint, print).changes == ()
    engine.up(blueprint, print, deadline=DEADLINE, refreshed=True)
    assert engine.preview(blueprint, print).changes == ()
    engine.up(rendered(WITHOUT), print, deadline=DEADLINE)
    assert services(cloud) == {}


def test_only_services_have_fields() -> None:
    fields = [service_of(record) for record in rendered(WITH_MAILU).records]
    found = [each for each in fields if each is not None]
    assert len(found) == 6
    assert {"priority": 0, "weight": 0, "port": 0, "target": "."} in found
