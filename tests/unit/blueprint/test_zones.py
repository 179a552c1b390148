"""Which zones a name can be in, and what a tenant's domain occupies."""

from __future__ import annotations

import pytest

from blueprint.tenant import Dns, DomainSpec
from blueprint.zones import is_public_suffix, occupied, overlap, possible_zones


@pytest.mark.parametrize(
    ("name", "zones"),
    [
        ("acme.example", ["acme.example"]),
        ("go.acme.example", ["go.acme.example", "acme.example"]),
        ("a.b.acme.co.uk", ["a.b.acme.co.uk", "b.acme.co.uk", "acme.co.uk"]),
        ("acme.github.io", ["acme.github.io"]),
        ("go.xn--bcher-kva.example", ["go.xn--bcher-kva.example", "xn--bcher-kva.example"]),
        ("co.uk", ["co.uk"]),
    ],
)
def test_possible_zones_end_at_the_registered_domain(name: str, zones: list[str]) -> None:
    assert list(possible_zones(name)) == zones


@pytest.mark.parametrize("name", ["co.uk", "com", "github.io", "xn--p1ai", "kawasaki.jp"])
def test_public_suffix_is_recognised(name: str) -> None:
    assert is_public_suffix(name)
    assert not is_public_suffix(f"acme.acme.{name}")


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ({"dns": Dns.CLOUDFLARE}, "acme.example"),
        ({"dns": Dns.MANUAL}, "go.acme.example"),
        ({"dns": Dns.CLOUDFLARE, "zone": "go.acme.example"}, "go.acme.example"),
        ({"dns": Dns.MANUAL, "zone": "acme.example"}, "acme.example"),
    ],
)
def test_domain_occupies_its_zone_or_what_may_be_its_zone(
    domain: dict[str, str], expected: str
) -> None:
    assert occupied(DomainSpec.model_validate({"name": "go.acme.example", **domain})) == expected


def test_names_overlap_by_labels_and_not_by_letters() -> None:
    assert overlap("acme.example", "acme.example")
    assert overlap("go.acme.example", "acme.example")
    assert overlap("acme.example", "go.acme.example")
    assert not overlap("notacme.example", "acme.example")
    assert not overlap("go.acme.example", "to.acme.example")
