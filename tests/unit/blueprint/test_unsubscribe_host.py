"""The name for links in a domain's mail leads to the public address of the platform."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from blueprint.document import Blueprint, Record, RecordType, Rule
from blueprint.instructions import instructions
from blueprint.platform import Platform
from blueprint.tenant import Dns, DomainSpec
from tests.support.installation import INSTALLATION
from tests.support.tenants import TEXT, rendered
from tests.unit.blueprint.strategies import tenants
from tests.unit.blueprint.test_render import rendered_on

ADDRESS = "192.0.2.80"
ACME, MANUAL = "{name: acme.example}", "{name: manual.example, dns: manual}"
TARGET = "u.manual.example.customers.penguinmails.example"


def platform(address: str | None = ADDRESS) -> Platform:
    return Platform(installation=INSTALLATION, zone="penguinmails.example", public_address=address)


def blueprint(address: str | None = ADDRESS, domains: str = f"{ACME}, {MANUAL}") -> Blueprint:
    return rendered(TEXT % ("{name: mx1}", domains), platform=platform(address))


def at(of: Blueprint, name: str) -> list[Record]:
    return [record for record in of.records if record.name == name]


def test_name_in_a_zone_of_ours_has_the_address() -> None:
    [record] = at(blueprint(), "u.acme.example")
    assert (record.type, record.content, record.address) == (RecordType.A, ADDRESS, None)
    assert (record.zone, record.provider) == ("acme.example", Dns.CLOUDFLARE)


def test_name_that_an_owner_has_set_once_leads_to_the_address() -> None:
    [alias] = at(blueprint(), "u.manual.example")
    assert (alias.type, alias.content) == (RecordType.CNAME, TARGET)
    contents = {record.type: record.content for record in at(blueprint(), TARGET)}
    assert contents == {RecordType.A: ADDRESS, RecordType.TXT: "v=spf1 -all"}
    [before] = at(blueprint(None), "u.manual.example")
    assert before.model_copy(update={"rule": Rule.OPTIONAL}) == alias


def test_no_mail_waits_for_the_name() -> None:
    of = blueprint()
    assert not any(r.rule.is_checked for r in of.records if r.key.endswith(("/u/A", "CNAME/u")))
    [asked] = [i for i in instructions(of) if i.name == "u.manual.example"]
    assert not asked.checked
    assert asked.note == "links in mail lead there once it is set, and to a name of ours until then"


def test_without_an_address_there_is_no_name_but_the_one_kept_for_later() -> None:
    of = blueprint(None)
    assert at(of, "u.acme.example") == []
    assert [record.content for record in at(of, TARGET)] == ["v=spf1 -all"]
    assert {domain.unsubscribe_host for domain in of.domains} == {None}
    assert {domain.unsubscribe_host for domain in blueprint().domains} == {
        "u.acme.example",
        "u.manual.example",
    }


@pytest.mark.parametrize("dns", Dns)
def test_links_of_a_domain_that_was_given_up_lead_there_while_it_drains(dns: Dns) -> None:
    old = DomainSpec(name="old.example", dns=dns)
    before = blueprint(domains=f"{ACME}, {{name: old.example, dns: {dns}}}")
    after = rendered(TEXT % ("{name: mx1}", ACME), platform=platform(), draining_domains=[old])
    [kept] = [record for record in before.records if record.key == "old.example/u/A"]
    assert kept in after.records


@given(tenants())
def test_name_with_an_alias_has_no_other_record(document: dict[str, Any]) -> None:
    records = rendered_on(platform(), document).records
    aliases = {record.name for record in records if record.type is RecordType.CNAME}
    assert not aliases & {r.name for r in records if r.type is not RecordType.CNAME}
    assert len({record.key for record in records}) == len(records)


@pytest.mark.parametrize("address", ["2001:db8::80", "app.penguinmails.example", "192.0.2"])
def test_public_address_is_ipv4(address: str) -> None:
    with pytest.raises(ValidationError, match="it should be an IPv4 address such as"):
        platform(address)


def test_variable_without_a_value_is_not_set() -> None:
    assert platform("").public_address is None
