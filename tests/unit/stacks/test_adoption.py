"""Existing records: which are adopted, and which conflict."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from blueprint.document import Record
from stacks.adoption import adoptions
from stacks.faults import (
    ALIAS_IN_THE_WAY,
    DELEGATED_AWAY,
    EMAIL_ROUTING,
    FOREIGN_RECORD,
    RECORD_QUOTA,
)
from stacks.zones import Zone
from tests.support.faults import fault_shown

ACME = Zone("z1", "acme.example")


def record(kind: str = "TXT", content: str = "v=spf1 -all") -> Record:
    return Record(
        key=f"acme.example/{kind}",
        zone="acme.example",
        stack="acme",
        provider="cloudflare",
        name="acme.example",
        type=kind,
        content=content,
        priority=10 if kind == "MX" else None,
        comment=f"pm:k3f9a:acme:acme.example/{kind}",
    )


def live(kind: str = "TXT", content: str = "x", **others: Any) -> dict[str, Any]:
    return {"id": "r1", "name": "acme.example", "type": kind, "content": content, **others}


def adopt(
    desired: Record, *existing: dict[str, Any], in_state: set[str] | None = None
) -> dict[str, str]:
    return adoptions(ACME, [desired], in_state or set(), existing)


def test_marked_record_is_adopted_whatever_its_content() -> None:
    marked = live(comment="pm:k3f9a:acme:acme.example/TXT")
    assert adopt(record(), marked) == {"acme.example/TXT": "z1/r1"}


def test_record_of_the_state_is_not_imported_again() -> None:
    marked = live(comment="pm:k3f9a:acme:acme.example/TXT")
    assert adopt(record(), marked, in_state={"acme.example/TXT"}) == {}


MX = record("MX", "mx1.acme.example")
ALIAS = live("CNAME", "shop.example", proxied=False, settings={"flatten_cname": False})
LOCKED: dict[str, Any] = {"meta": {"email_routing": True, "read_only": True}}


def below(other: dict[str, Any]) -> tuple[Record, dict[str, Any]]:
    """Return an MX record and another one at a name below the apex."""
    name = "shop.acme.example"
    return MX.model_copy(update={"name": name}), {**other, "name": name}


@pytest.mark.parametrize(
    ("desired", "other"),
    [
        (record(), live(content='"v=spf1 include:other.example -all"')),
        (record(), live(content='"V=SPF1" " -all"')),
        (record(content="v=DMARC1; p=none"), live(content="v=DMARC1;p=reject")),
        (record(content="x-one"), live(content='"x-" "one"')),
        (MX, live("MX", "mail.other.example")),
        (MX, live("MX", "mail.other.example", meta={"email_routing": True})),
        (record("CNAME", "x.example"), live("A", "192.0.2.1")),
        (record("A", "192.0.2.1"), ALIAS),
        (record("A", "192.0.2.1"), live("A", "192.0.2.2")),
        (record("A", "192.0.2.1"), live("AAAA", "2001:db8::1")),
        (record(), live(content="v=spf1 -all", comment="pm:k3f9b:acme:acme.example/TXT")),
    ],
)
def test_foreign_record_in_the_way_is_named_without_its_content(
    desired: Record, other: dict[str, Any]
) -> None:
    shown = f"{other['type']} acme.example"
    with fault_shown(FOREIGN_RECORD, record=shown, key=desired.key, remedy=...) as caught:
        adopt(desired, other)
    assert other["content"] not in caught.value.sentence
    assert ("remove" in caught.value.remedy) == (desired.type in ("MX", "TXT"))


def test_alias_of_a_website_is_kept_by_its_remedy() -> None:
    desired, alias = below(ALIAS)
    desired = desired.model_copy(update={"domain": desired.name})
    shown = {"record": "CNAME shop.acme.example", "key": desired.key, "remedy": ...}
    with fault_shown(ALIAS_IN_THE_WAY, **shown) as caught:
        adopt(desired, alias)
    assert not re.search("delete|remove", caught.value.remedy)


def test_selector_has_one_key_however_the_other_begins() -> None:
    name = "pm202611._domainkey.acme.example"
    desired = record(content="v=DKIM1; p=a").model_copy(update={"name": name})
    with fault_shown(FOREIGN_RECORD, record=f"TXT {name}", key=desired.key, remedy=...):
        adopt(desired, {**live(content="k=rsa; p=b"), "name": name})


@pytest.mark.parametrize("name", ["_dmarc", "pm202611._domainkey", "b"])
def test_alias_to_another_service_is_told_how_to_keep_it(name: str) -> None:
    """A proxy or addresses would be of no use: what the other service publishes is asked for."""
    name = f"{name}.acme.example"
    desired = record().model_copy(update={"name": name, "domain": "acme.example"})
    with fault_shown(ALIAS_IN_THE_WAY, record=f"CNAME {name}", key=..., remedy=...) as caught:
        adopt(desired, {**ALIAS, "name": name})
    assert "`dns: manual` for acme.example" in caught.value.remedy
    assert "proxy" not in caught.value.remedy


@pytest.mark.parametrize(
    "other",
    [live("MX", "mx.other.example"), live("TXT", "v=spf1 include:other.example -all")],
)
def test_record_of_the_owners_other_mail_is_told_how_to_keep_it(other: dict[str, Any]) -> None:
    desired = record(other["type"]).model_copy(update={"domain": "acme.example"})
    with fault_shown(FOREIGN_RECORD, record=..., key=..., remedy=...) as caught:
        adopt(desired, other)
    assert "to keep it, set `dns: manual` for acme.example" in caught.value.remedy


def test_zone_without_room_for_what_is_missing_is_told_before_anything_is_written() -> None:
    full = replace(ACME, quota=2)
    others = [live("A", "192.0.2.1"), live("AAAA", "2001:db8::1")]
    marked = live(comment=record().comment)
    assert adoptions(full, [record()], set(), others[:1]) == {}
    assert adoptions(full, [record()], set(), [*others, marked][1:]) != {}
    with fault_shown(RECORD_QUOTA, reason="acme.example has 2 of 2 records, and 1 more are needed"):
        adoptions(full, [record()], set(), others)


@pytest.mark.parametrize(
    ("desired", "other"),
    [
        (MX, ALIAS),
        (record(), ALIAS),
        below({**ALIAS, "proxied": True}),
        below({**ALIAS, "settings": {"flatten_cname": True}}),
    ],
)
def test_alias_that_is_answered_by_addresses_is_not_in_the_way(
    desired: Record, other: dict[str, Any]
) -> None:
    assert adopt(desired, other) == {}


@pytest.mark.parametrize(
    ("desired", "other"),
    [
        (MX, live("MX", "route1.mx.cloudflare.net", **LOCKED)),
        (record(), live(content="v=spf1 include:_spf.mx.cloudflare.net ~all", **LOCKED)),
    ],
)
def test_record_of_email_routing_is_told_how_to_unlock(
    desired: Record, other: dict[str, Any]
) -> None:
    shown = {"record": f"{other['type']} acme.example", "key": desired.key}
    with fault_shown(EMAIL_ROUTING, **shown):
        adopt(desired, other)


@pytest.mark.parametrize("cut", ["shop.acme.example", "acme.example"])
def test_name_that_is_delegated_away_is_told_before_it_is_written(cut: str) -> None:
    name = "go.shop.acme.example" if cut != "acme.example" else cut
    desired = MX.model_copy(update={"name": name})
    servers = {**live("NS", "ns1.other.example"), "name": cut}
    if cut == ACME.name:  # of the zone itself
        assert adopt(desired, servers) == {}
        return
    for existing in ((servers,), (live("MX", comment=desired.comment), servers)):
        with fault_shown(DELEGATED_AWAY, cut=cut, key=desired.key):
            adopt(desired, *existing)


@pytest.mark.parametrize(
    "other",
    [
        live(content="some-verification=1"),
        live(content="v=spf10 -all"),
        live("MX", "mail.other.example"),
        live("MX", "route1.mx.cloudflare.net", **LOCKED),
        live("A", "192.0.2.1", proxied=True),
        live("CAA", '0 issue "ca.example"'),
        {**live(content="v=spf1 -all"), "name": "www.acme.example"},
        live(content="v=spf1 -all", comment="pm:k3f9a:acme:acme.example/old"),
    ],
)
def test_foreign_record_without_a_conflict_is_ignored(other: dict[str, Any]) -> None:
    assert adopt(record(), other) == {}
