"""DMARC reports are asked for where somebody takes them, and with our zone's authorisation."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from blueprint.document import Blueprint
from blueprint.platform import Platform
from tests.support.installation import INSTALLATION, PLATFORM
from tests.support.tenants import TEXT, rendered


def platform(reports: str) -> Platform:
    return Platform(installation=INSTALLATION, zone="penguinmails.example", dmarc_reports=reports)


def blueprint(of: Platform) -> Blueprint:
    domains = "{name: acme.example, dmarc: reject}, {name: globex.example, dns: manual}"
    return rendered(TEXT % ("{name: mx1}", domains), platform=of)


def texts(of: Platform) -> dict[str, str | None]:
    return {
        str(record.name): record.content
        for record in blueprint(of).records
        if "_dmarc." in record.name
    }


def test_no_reports_are_asked_for_by_default() -> None:
    assert texts(PLATFORM) == {
        "_dmarc.acme.example": "v=DMARC1; p=reject",
        "_dmarc.globex.example": "v=DMARC1; p=none",
    }
    assert texts(platform("")) == texts(PLATFORM)


@pytest.mark.parametrize(
    ("address", "written", "where"),
    [
        (
            "dmarc@reports.penguinmails.example",
            "dmarc@reports.penguinmails.example",
            "reports.penguinmails.example",
        ),
        (
            "dmarc+all@penguinmails.example",
            "dmarc+all@penguinmails.example",
            "penguinmails.example",
        ),
        ("a%b@penguinmails.example", "a%25b@penguinmails.example", "penguinmails.example"),
        ("a!b@penguinmails.example", "a%21b@penguinmails.example", "penguinmails.example"),
    ],
)
def test_reports_go_to_the_address_of_the_setting_with_its_authorisation(
    address: str, written: str, where: str
) -> None:
    assert texts(platform(address)) == {
        "_dmarc.acme.example": f"v=DMARC1; p=reject; rua=mailto:{written}",
        "_dmarc.globex.example": f"v=DMARC1; p=none; rua=mailto:{written}",
        f"acme.example._report._dmarc.{where}": "v=DMARC1",
        f"globex.example._report._dmarc.{where}": "v=DMARC1",
    }
    authorised = [r for r in blueprint(platform(address)).records if "._report." in r.name]
    assert {record.zone for record in authorised} == {"penguinmails.example"}
    assert {record.stack for record in authorised} == {"acme"}


@pytest.mark.parametrize("address", ["dmarc@other.example", "dmarc@notpenguinmails.example", "x"])
def test_address_whose_authorisation_we_cannot_write_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        platform(address)
