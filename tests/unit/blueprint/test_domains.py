"""Rules of a tenant's domains that need the platform or the list of public suffixes."""

from __future__ import annotations

from typing import Any

import pytest

from blueprint.document import Blueprint
from blueprint.faults import OUTSIDE_ZONE, PUBLIC_SUFFIX
from blueprint.loading import parse
from blueprint.platform import Platform
from blueprint.render import render
from kit.faults import Fault
from tests.support.faults import assert_shows, printed
from tests.support.installation import INSTALLATION

PLATFORM = Platform(
    installation=INSTALLATION, zone="mail.penguins.example", names=("app.penguins.co.uk",)
)


def document(*domains: dict[str, str], zone: str | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "penguinmails.dev/v1",
        "kind": "Tenant",
        "metadata": {"name": "acme"},
        "spec": {
            "plan": "business",
            "region": "us-west",
            "hosts": [{"name": "mx1", "zone": zone}],
            "domains": list(domains),
        },
    }


def rendered(*domains: dict[str, str], zone: str | None = None) -> Blueprint:
    tenant = parse(document(*domains, zone=zone), platform=PLATFORM)
    return render(tenant, platform=PLATFORM, keys=None, generation=1)


def test_public_suffix_is_named() -> None:
    shown = printed(lambda: parse(document({"name": "co.uk"}), platform=PLATFORM))
    assert_shows(shown, PUBLIC_SUFFIX, domain="co.uk")


def test_zone_beside_the_domain_is_named() -> None:
    domain = {"name": "go.acme.example", "zone": "globex.example"}
    shown = printed(lambda: parse(document(domain), platform=PLATFORM))
    assert_shows(shown, OUTSIDE_ZONE, domain="go.acme.example", zone="globex.example")


def mistakes_of(*domains: dict[str, str]) -> list[tuple[str, str]]:
    try:
        parse(document(*domains), platform=PLATFORM)
    except Fault as fault:
        return [(str(v.code), v.path) for v in fault.violations]
    return []


@pytest.mark.parametrize(
    ("domain", "code", "path"),
    [
        ({"name": "co.uk"}, "tenant.public_suffix", "name"),
        ({"name": "co.uk", "dns": "manual"}, "tenant.public_suffix", "name"),
        ({"name": "github.io"}, "tenant.public_suffix", "name"),
        ({"name": "acme.co.uk", "zone": "co.uk"}, "tenant.public_suffix", "zone"),
        ({"name": "acme.example", "zone": "go.acme.example"}, "tenant.outside_zone", "zone"),
        ({"name": "notacme.example", "zone": "acme.example"}, "tenant.outside_zone", "zone"),
        ({"name": "mail.penguins.example"}, "tenant.platform_domain", "name"),
        ({"name": "x.mail.penguins.example", "dns": "manual"}, "tenant.platform_domain", "name"),
        ({"name": "penguins.example", "dns": "manual"}, "tenant.platform_domain", "name"),
        ({"name": "shop.penguins.example"}, "tenant.platform_domain", "name"),
        (
            {"name": "shop.penguins.example", "dns": "manual", "zone": "penguins.example"},
            "tenant.platform_domain",
            "name",
        ),
        ({"name": "app.penguins.co.uk", "dns": "manual"}, "tenant.platform_domain", "name"),
        ({"name": "shop.penguins.co.uk"}, "tenant.platform_domain", "name"),
    ],
)
def test_domain_that_a_tenant_cannot_have_is_refused(
    domain: dict[str, str], code: str, path: str
) -> None:
    assert mistakes_of({"name": "other.example"}, domain) == [(code, f"spec.domains[1].{path}")]


@pytest.mark.parametrize(
    "domains",
    [
        [{"name": "shop.penguins.example", "dns": "manual"}],
        [{"name": "shop.penguins.example", "zone": "shop.penguins.example"}],
        [{"name": "acme.co.uk"}, {"name": "go.acme.co.uk"}, {"name": "x.go.acme.co.uk"}],
        [{"name": "go.acme.example", "zone": "acme.example"}, {"name": "acme.example"}],
        [{"name": "notmail.penguins.example", "zone": "notmail.penguins.example"}],
    ],
)
def test_domain_beside_the_platforms_or_of_the_same_tenant_is_valid(
    domains: list[dict[str, str]],
) -> None:
    assert mistakes_of(*domains) == []


def test_records_of_domain_and_host_are_in_the_zone_that_the_document_names() -> None:
    blueprint = rendered(
        {"name": "go.acme.example", "zone": "acme.example"}, zone="go.acme.example"
    )
    assert blueprint.named_zones == {"acme.example"}
    assert {record.zone for record in blueprint.records} == {"acme.example"}
    assert blueprint.hosts[0].primary.helo == "mx1.go.acme.example"
    assert blueprint.domains[0].mail_host == "mx1.go.acme.example"


def test_zone_of_a_document_changes_no_name() -> None:
    domain = {"name": "go.acme.example"}
    found = rendered(domain, zone="go.acme.example")
    named = rendered({**domain, "zone": "acme.example"}, zone="go.acme.example")
    assert {r.key: r.name for r in found.records} == {r.key: r.name for r in named.records}
    assert found.named_zones == set()
