"""A domain that the document has no longer keeps what mail needs that was sent from it."""

from __future__ import annotations

import pytest

from blueprint.document import Blueprint, Record
from blueprint.platform import Platform
from blueprint.tenant import Dns, DomainSpec, HostSpec
from tests.support.installation import INSTALLATION
from tests.support.tenants import TEXT, rendered

PLATFORM = Platform(
    installation=INSTALLATION,
    zone="penguinmails.example",
    dmarc_reports="dmarc@penguinmails.example",
)
ACME = "{name: acme.example}"


def of(blueprint: Blueprint, domain: str) -> dict[str, Record]:
    """Return the records of a domain by key."""
    return {record.key: record for record in blueprint.records if record.domain == domain}


@pytest.mark.parametrize(
    ("dns", "kept"),
    [
        (Dns.CLOUDFLARE, {"DMARC", "b/MX", "b/SPF", "DKIM/pm202611", "reports"}),
        (Dns.MANUAL, {"b/MX", "b/SPF", "DKIM/pm202611", "reports"}),
    ],
)
def test_records_of_sent_mail_are_as_they_were_and_others_are_gone(
    dns: Dns, kept: set[str]
) -> None:
    old = DomainSpec(name="old.example", dns=dns, zone="old.example")
    text = f"{{name: old.example, dns: {dns}, zone: old.example}}"
    before = rendered(TEXT % ("{name: mx1}", f"{ACME}, {text}"), platform=PLATFORM)
    after = rendered(
        TEXT % ("{name: mx1}", ACME), platform=PLATFORM, draining_domains=[old], generation=2
    )

    records = of(after, old.name)
    assert records.keys() == {f"old.example/{key}" for key in kept}
    assert all(of(before, old.name)[key] == record for key, record in records.items())
    assert all(record.provider is Dns.CLOUDFLARE for record in records.values())
    assert of(after, "acme.example") == of(before, "acme.example")
    assert [domain.name for domain in after.domains] == ["acme.example"]
    [draining] = after.draining_domains
    assert (draining.selector, draining.receives) == ("pm202611", False)
    assert "old.example" in after.named_zones


def test_domain_of_the_document_does_not_drain() -> None:
    blueprint = rendered(TEXT % ("{name: mx1}", ACME))
    again = rendered(
        TEXT % ("{name: mx1}", ACME), draining_domains=[DomainSpec(name="acme.example")]
    )
    assert again == blueprint


def test_what_the_document_has_at_a_name_comes_first() -> None:
    """Two SPF records of one name are an error to every receiver."""
    document = TEXT % ("{name: mx1}", "{name: b.old.example}")
    blueprint = rendered(document, draining_domains=[DomainSpec(name="old.example")])

    assert of(blueprint, "old.example").keys() == {
        "old.example/DMARC",
        "old.example/DKIM/pm202611",
    }
    names = [(record.name, record.type, record.content) for record in blueprint.records]
    assert len(names) == len(set(names))


def test_host_that_drains_stays_in_the_zone_of_a_domain_that_does() -> None:
    domain = DomainSpec(name="go.old.example", zone="old.example")
    host = HostSpec(name="mx2", zone="go.old.example")
    blueprint = rendered(
        TEXT % ("{name: mx1}", ACME), draining={"mx2-1": host}, draining_domains=[domain]
    )
    assert {host.name: host.zone for host in blueprint.hosts}["mx2"] == "old.example"
