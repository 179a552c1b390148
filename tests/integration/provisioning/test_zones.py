"""Records are written in the longest zone of the account that their domain is in."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from blueprint.document import Blueprint
from kit.faults import Code
from lab.cloudflare.limits import ENTERPRISE, PRO
from lab.cloudflare.tokens import READ_ONLY, READ_WRITE, Permission
from stacks.faults import CLOUDFLARE_UNAUTHORIZED, ZONE_NOT_FOUND, ZONE_OUT_OF_REACH
from stacks.lost_zones import find_lost, prove_writable
from stacks.state import Resource
from stacks.zones import find_zone
from tests.support.faults import fault_shown
from tests.support.pulumi_engine import pulumi_engine
from tests.support.tenants import TEXT, rendered

from .conftest import Cloud

DEADLINE = timedelta(minutes=10)


@pytest.fixture
def account(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    return cloud


def document(*domains: str, generation: int = 1) -> Blueprint:
    return rendered(TEXT % ("{name: mx1}", ", ".join(domains)), generation)


def written(cloud: Cloud, zone: str) -> set[str]:
    """Return the records of a zone: `TYPE name`."""
    [match] = [z for z in cloud.cloudflare.zones() if z["name"] == zone]
    return {f"{r['type']} {r['name']}" for r in cloud.cloudflare.records(match["id"])}


@pytest.mark.parametrize(
    ("zones", "name", "found"),
    [
        (["acme.example"], "acme.example", "acme.example"),
        (["acme.example"], "x.go.acme.example", "acme.example"),
        (["acme.example", "+go.acme.example"], "x.go.acme.example", "go.acme.example"),
        (["+acme.example", "go.acme.example"], "x.go.acme.example", "acme.example"),
        (["acme.example", "go.acme.example"], "x.go.acme.example", "go.acme.example"),
        (["acme.co.uk", "me.co.uk"], "go.acme.co.uk", "acme.co.uk"),
        (["bücher.example"], "go.xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_zone_is_the_longest_one_that_is_delegated_to_the_account(
    account: Cloud, zones: list[str], name: str, found: str
) -> None:
    for zone in zones:
        if zone not in ("acme.example", "+acme.example"):
            account.cloudflare.create_zone(zone.removeprefix("+"), plan=ENTERPRISE)
        if zone.startswith("+"):
            account.nameserver.delegate(zone.removeprefix("+"))
    assert find_zone(name).name == found


def test_quota_of_a_zone_is_that_of_its_plan(account: Cloud) -> None:
    assert find_zone("acme.example").quota == 200
    zone = account.cloudflare.zones()[0]
    account.cloudflare.change_zone(zone["id"], {"plan": {"id": PRO.id}})
    assert find_zone("acme.example").quota == 3500


@pytest.mark.parametrize(
    ("name", "exact", "tried"),
    [
        ("x.nowhere.example", False, "x.nowhere.example or nowhere.example"),
        ("go.acme.example", True, "go.acme.example"),
        ("cme.example", False, "cme.example"),
        ("x--.example", False, "x--.example"),
    ],
)
def test_name_in_no_zone_of_the_account_is_refused_with_the_zones_that_were_tried(
    account: Cloud, name: str, exact: bool, tried: str
) -> None:
    with fault_shown(ZONE_NOT_FOUND, zone=tried):
        find_zone(name, exact=exact)


def written_in_beta(cloud: Cloud) -> dict[str, Resource]:
    """Write a record in zone beta.example; return it as the state has it."""
    zone = cloud.cloudflare.create_zone("beta.example")
    body = {"name": "beta.example", "type": "TXT", "content": "x", "comment": "ours"}
    record = cloud.cloudflare.create(zone["id"], body)
    row = Resource(
        urn="urn",
        id=record["id"],
        type="record",
        name="beta.example/SPF",
        parent="beta.example",
        inputs={"zoneId": zone["id"], "comment": "ours"},
        outputs={},
        dependencies=(),
        is_forgotten=False,
    )
    return {row.name: row}


@pytest.mark.parametrize(
    ("permissions", "rights", "code"),
    [
        (READ_WRITE, {}, None),
        (READ_WRITE, {"zones": ["acme.example"]}, ZONE_OUT_OF_REACH),
        (READ_WRITE, {"read_only": ["beta.example"]}, ZONE_OUT_OF_REACH),
        (READ_ONLY, {}, ZONE_OUT_OF_REACH),
        (
            READ_WRITE - {Permission.ZONE_READ},
            {"read_only": ["beta.example"]},
            CLOUDFLARE_UNAUTHORIZED,
        ),
        (None, {}, CLOUDFLARE_UNAUTHORIZED),
    ],
)
def test_zone_that_refuses_the_token_is_not_gone(
    account: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    permissions: Any,
    rights: dict[str, Any],
    code: Code | None,
) -> None:
    state, token = written_in_beta(account), "x" * 40
    if permissions is not None:
        token = account.cloudflare.add_token(permissions, **rights)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", token)
    found = find_lost(state, (), prove_writable)
    assert found.gone == set()
    assert [fault.code for fault in found.held.values()] == ([] if code is None else [code])
    assert found.kept == ({"beta.example/SPF"} if code else set())


@pytest.mark.parametrize("is_delegated", [True, False])
def test_zone_is_gone_when_an_active_one_has_its_name(account: Cloud, is_delegated: bool) -> None:
    """One that waits may be of another account, beside the active one that is out of reach."""
    state = written_in_beta(account)
    account.cloudflare.delete_zone(state["beta.example/SPF"].zone_id)
    account.cloudflare.create_zone("beta.example")
    if is_delegated:
        account.nameserver.delegate("beta.example")
    found = find_lost(state, (), prove_writable)
    assert (found.gone == state.keys()) is is_delegated
    assert (found.kept == state.keys()) is not is_delegated


@pytest.mark.engine
def test_subdomain_is_written_in_the_zone_around_it_and_waits_without_one(
    environment: dict[str, str], tmp_path: Path, cloud: Cloud
) -> None:
    engine = pulumi_engine(environment, tmp_path / "operations")
    state = engine.up(
        document("{name: go.acme.example}", "{name: acme.example}", "{name: go.beta.example}"),
        print,
        deadline=DEADLINE,
    )

    assert [(held.zone, held.code) for held in state.held] == [
        ("go.beta.example", "dns.zone_not_found")
    ]
    assert written(cloud, "acme.example") >= {
        "MX go.acme.example", "MX b.go.acme.example", "TXT _dmarc.go.acme.example",
        "MX acme.example", "MX b.acme.example",
    }  # fmt: skip
    assert cloud.bought() == ["server"]

    cloud.cloudflare.unreadable.add("acme.example")
    after = document("{name: go.acme.example}", generation=2)
    before = written(cloud, "acme.example")
    assert [held.zone for held in engine.up(after, print, deadline=DEADLINE).held] == [
        "go.acme.example"
    ]
    assert written(cloud, "acme.example") == before

    cloud.cloudflare.unreadable.clear()
    state = engine.up(after, print, deadline=DEADLINE)
    assert state.held == ()
    assert "MX acme.example" not in written(cloud, "acme.example")
    assert "MX go.acme.example" in written(cloud, "acme.example")
    assert engine.preview(after, print).changes == ()


@pytest.mark.engine
def test_zone_of_the_document_is_used_although_a_longer_one_exists(
    environment: dict[str, str], tmp_path: Path, cloud: Cloud
) -> None:
    cloud.cloudflare.create_zone("go.acme.example", plan=ENTERPRISE)
    cloud.nameserver.delegate("go.acme.example")
    engine = pulumi_engine(environment, tmp_path / "operations")
    text = document(
        "{name: go.acme.example, zone: acme.example}",
        "{name: x.acme.example, zone: x.acme.example}",
    )
    state = engine.up(text, print, deadline=DEADLINE)
    assert "MX go.acme.example" in written(cloud, "acme.example")
    assert written(cloud, "go.acme.example") == set()
    assert [held.zone for held in state.held] == ["x.acme.example"]
    assert not [name for name in written(cloud, "acme.example") if name.endswith(" x.acme.example")]
