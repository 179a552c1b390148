"""Rendering is deterministic and depends on the tenant's document alone."""

from __future__ import annotations

import copy
import random
from random import Random
from typing import Any

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blueprint.cost import dollars
from blueprint.document import Blueprint, Dkim, PublicKeys, RecordType
from blueprint.loading import parse
from blueprint.naming import bulk_addresses, host_of, is_server_of, server_name
from blueprint.platform import Platform
from blueprint.records import ownership_comment
from blueprint.render import render
from blueprint.tenant import Dns, Tenant
from tests.support.installation import PLATFORM
from tests.unit.blueprint.strategies import tenants

SIMPLE: dict[str, Any] = {
    "apiVersion": "penguinmails.dev/v1",
    "kind": "Tenant",
    "metadata": {"name": "acme"},
    "spec": {
        "plan": "business",
        "region": "us-west",
        "hosts": [],
        "domains": [{"name": "acme.example"}],
    },
}


def rendered(document: dict[str, Any], generation: int = 1) -> Blueprint:
    return rendered_on(PLATFORM, document, generation)


def rendered_on(platform: Platform, document: dict[str, Any], generation: int = 1) -> Blueprint:
    tenant = parse(document, platform=platform)
    keys = PublicKeys(
        ssh="ssh-ed25519 AAAA",
        dkim={
            domain.name: Dkim(
                selector="pm1" if domain.dns is Dns.MANUAL else "pm202611", public_key="TUlJQg=="
            )
            for domain in tenant.spec.domains
        },
    )
    return render(tenant, platform=platform, keys=keys, generation=generation)


@given(tenants())
def test_same_document_renders_the_same_blueprint(document: dict[str, Any]) -> None:
    assert rendered(document) == rendered(copy.deepcopy(document))


@given(tenants())
def test_blueprint_printed_and_parsed_is_the_same(document: dict[str, Any]) -> None:
    blueprint = rendered(document)
    assert Blueprint.model_validate_json(blueprint.model_dump_json(by_alias=True)) == blueprint


@given(tenants())
def test_digest_differs_by_generation(document: dict[str, Any]) -> None:
    assert rendered(document, 1).digest != rendered(document, 2).digest


@given(tenants(), st.randoms(use_true_random=False))
def test_reordered_document_has_the_same_names_and_records(
    document: dict[str, Any], rng: random.Random
) -> None:
    shuffled = copy.deepcopy(document)
    rng.shuffle(shuffled["spec"]["hosts"])
    rng.shuffle(shuffled["spec"]["domains"])
    before, after = rendered(document), rendered(shuffled)
    assert {host.name: host for host in before.hosts} == {h.name: h for h in after.hosts}
    assert {r.key: r for r in before.records} == {r.key: r for r in after.records}
    assert {d.name: d for d in before.domains} == {d.name: d for d in after.domains}


@given(tenants(), st.data())
def test_names_stay_whatever_else_changes(document: dict[str, Any], data: st.DataObject) -> None:
    changed = copy.deepcopy(document)
    spec = changed["spec"]
    spec["hosts"].append({"name": "added", "addresses": 2})
    spec["domains"].append({"name": "added.example", "dns": "manual"})
    grown = data.draw(st.sampled_from(spec["hosts"]))
    grown["addresses"] = grown.get("addresses", 1) + 1
    spec["region"] = "us-west"
    before = {a.name: a.helo for host in rendered(document).hosts for a in host.addresses}
    after = {a.name: a.helo for host in rendered(changed).hosts for a in host.addresses}
    assert before.items() <= after.items()


@given(tenants())
def test_records_are_valid_in_dns(document: dict[str, Any]) -> None:
    blueprint = rendered(document)
    keys = [record.key for record in blueprint.records]
    assert len(keys) == len(set(keys))
    assert len(keys) == len({record.comment for record in blueprint.records})
    for record in blueprint.records:
        assert dns.name.from_text(record.name).is_subdomain(dns.name.from_text(record.zone))
        assert len(record.comment) <= 100
        assert (record.address is not None) == (record.type is RecordType.A)
        text = record.content if record.address is None else "198.18.1.10"
        assert text is not None
        if record.type is RecordType.TXT:
            chunks = [text[i : i + 255] for i in range(0, len(text), 255)]
            text = " ".join(f'"{chunk}"' for chunk in chunks)
        elif record.type is RecordType.MX:
            text = f"{record.priority} {text}."
        elif record.type is RecordType.CNAME:
            text += "."
        dns.rdata.from_text(
            dns.rdataclass.IN, dns.rdatatype.from_text(record.type), text, relativize=False
        )


@given(tenants())
def test_name_with_a_cname_has_no_other_record(document: dict[str, Any]) -> None:
    records = rendered(document).records
    aliases = {record.name for record in records if record.type is RecordType.CNAME}
    others = {record.name for record in records if record.type is not RecordType.CNAME}
    assert not aliases & others


@given(tenants())
def test_every_helo_name_takes_mail_at_the_primary_address(document: dict[str, Any]) -> None:
    blueprint = rendered(document)
    exchanges = {r.name: r.content for r in blueprint.records if r.type is RecordType.MX}
    for host in blueprint.hosts:
        for address in host.addresses:
            assert exchanges[address.helo] == host.primary.helo


def test_marks_of_a_long_domain_differ() -> None:
    name = f"{'a' * 60}.{'b' * 60}.example"
    document = {
        "apiVersion": "penguinmails.dev/v1",
        "kind": "Tenant",
        "metadata": {"name": "acme"},
        "spec": {
            "plan": "business",
            "region": "us-west",
            "hosts": [{"name": "mx1"}],
            "domains": [{"name": name}],
        },
    }
    marks = {record.key: record.comment for record in rendered(document).records}
    assert len(set(marks.values())) == len(marks)
    assert max(map(len, marks.values())) == 100


@given(tenants())
def test_managed_records_have_a_mark_and_manual_ones_none(
    document: dict[str, Any],
) -> None:
    blueprint = rendered(document)
    assert {host.stack for host in blueprint.hosts} == {blueprint.tenant}
    for record in blueprint.records:
        assert record.stack == (blueprint.tenant if record.provider is Dns.CLOUDFLARE else None)


@given(tenants())
@settings(max_examples=50)
def test_cost_is_the_sum_of_its_lines(document: dict[str, Any]) -> None:
    cost = rendered(document).cost
    assert cost.usd_cents == sum(item.usd_cents for item in cost.items)
    assert len(cost.items) == sum(host["addresses"] for host in document["spec"]["hosts"])


@given(tenants(), st.randoms())
@settings(max_examples=50)
def test_cost_marks_what_the_plan_includes_in_any_order(
    document: dict[str, Any], random: Random
) -> None:
    def included() -> set[str]:
        return {item.item for item in rendered(document).cost.items if item.included}

    before, hosts = included(), document["spec"]["hosts"]
    further = sum(host["addresses"] - 1 for host in hosts)
    covered = {"starter": 0, "professional": 0, "business": 1, "enterprise": further}
    assert len(before) == min(further, covered[document["spec"]["plan"]])
    random.shuffle(hosts)
    assert included() == before


@pytest.mark.parametrize(
    ("before", "after", "drains", "retired"),
    [
        ({"mx1": 4}, {"mx1": 2}, {"mx1-3", "mx1-4"}, set()),
        ({"mx1": 2}, {"mx1": 1}, {"mx1-2"}, set()),
        ({"mx1": 1}, {"mx1": 3}, {"mx1-1"}, set()),
        ({"mx1": 3, "mx2": 1}, {"mx3": 2}, {"mx1-2", "mx1-3", "mx2-1"}, {"mx1", "mx2"}),
    ],
)
def test_what_drains_keeps_its_names_and_records(
    before: dict[str, int], after: dict[str, int], drains: set[str], retired: set[str]
) -> None:
    def tenant_with(hosts: dict[str, int]) -> Tenant:
        document = copy.deepcopy(SIMPLE)
        document["spec"]["hosts"] = [
            {"name": name, "addresses": addresses} for name, addresses in hosts.items()
        ]
        return parse(document, platform=PLATFORM)

    former, tenant = tenant_with(before), tenant_with(after)
    specs = {spec.name: spec for spec in former.spec.hosts}
    old = render(former, platform=PLATFORM, keys=None, generation=1)
    new = render(
        tenant,
        platform=PLATFORM,
        keys=None,
        generation=2,
        draining={address: specs[host_of(address)] for address in drains},
    )
    kept = {a.name: a for host in new.hosts for a in host.addresses}
    assert {name for name, address in kept.items() if address.draining} == drains
    for host in old.hosts:
        for address in host.addresses:
            if address.name in drains:
                assert kept[address.name] == address.model_copy(update={"draining": True})
    wanted = {name for host in tenant.spec.hosts for name in bulk_addresses(host)}
    assert {name for name, a in kept.items() if a.sends_bulk and not a.draining} == wanted
    assert {host.name for host in new.hosts if host.is_retired} == retired
    assert new.domains[0].mail_host.partition(".")[0] in after
    contents = {record.key: record for record in new.records}
    of_drained = [record for record in old.records if record.key.partition("/")[0] in drains]
    assert len(of_drained) == 4 * len(drains)
    assert [contents[record.key] for record in of_drained] == of_drained
    senders = str(contents["acme.example/b/SPF"].content).split()
    former_senders = {f"a:{host.egress_name}" for host in old.hosts}
    assert former_senders <= set(senders)
    assert new.cost == render(tenant, platform=PLATFORM, keys=None, generation=2).cost


def test_replacement_has_another_name() -> None:
    names = {server_name("k3f9a", "acme", "mx1", incarnation) for incarnation in range(1, 5)}
    assert len(names) == 4


@pytest.mark.parametrize(("cents", "text"), [(0, "$0.00"), (4897, "$48.97"), (100_005, "$1000.05")])
def test_dollars_are_printed_from_cents(cents: int, text: str) -> None:
    assert dollars(cents) == text


@given(tenants(), st.integers(min_value=1, max_value=20))
def test_server_name_belongs_to_its_installation_and_tenant_only(
    document: dict[str, Any], incarnation: int
) -> None:
    tenant = document["metadata"]["name"]
    for host in document["spec"]["hosts"]:
        name = server_name("k3f9a", tenant, host["name"], incarnation)
        assert len(name) <= 63
        assert is_server_of(name, "k3f9a", tenant)
        assert not is_server_of(name, "k3f9b", tenant)
        assert not is_server_of(name, "k3f9a", f"{tenant}-{host['name']}")
        other = server_name("k3f9a", f"{tenant}-x", host["name"], incarnation)
        assert not is_server_of(other, "k3f9a", tenant)


def test_server_names_of_long_names_differ_and_fit() -> None:
    tenant, hosts = "t" * 30, [f"{'h' * 29}{last}" for last in "abc"]
    names = {server_name("k3f9a7cd", tenant, host, 999) for host in hosts}
    assert len(names) == 3
    assert all(len(name) <= 63 for name in names)
    assert all(is_server_of(name, "k3f9a7cd", tenant) for name in names)
    assert not any(is_server_of(name, "k3f9a7cd", tenant[:-1]) for name in names)


def test_mark_of_a_record_begins_with_installation_and_tenant() -> None:
    long = ownership_comment("k3f9a", "acme", f"{'a' * 90}.example/MX")
    assert ownership_comment("k3f9a", "acme", "acme.example/MX") == "pm:k3f9a:acme:acme.example/MX"
    assert long.startswith("pm:k3f9a:acme:")
    assert len(long) == 100
