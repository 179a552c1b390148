"""Records that mean the same are the same, whichever way they are spelled."""

from __future__ import annotations

from typing import Any

import pytest

from tools.pulumi.cloudflare_records import UNKNOWN, body, changed_fields, live_inputs, mistakes

MX = {
    "zoneId": "z",
    "name": "acme.example",
    "type": "MX",
    "content": "mx1.acme.example",
    "ttl": 300.0,
    "priority": 10.0,
}


def record(**fields: Any) -> dict[str, Any]:
    return {"zoneId": "z", "name": "acme.example", "ttl": 300.0} | fields


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"type": "TXT", "content": "v=spf1 -all"}, {"type": "TXT", "content": '"v=spf1 -all"'}),
        ({"type": "TXT", "content": "abcd"}, {"type": "TXT", "content": '"ab" "cd"'}),
        ({"type": "TXT", "content": 'a"b'}, {"type": "TXT", "content": '"a\\"b"'}),
        ({"type": "CNAME", "content": "A.Example."}, {"type": "CNAME", "content": "a.example"}),
        ({"type": "AAAA", "content": "2001:DB8:0::1"}, {"type": "AAAA", "content": "2001:db8::1"}),
        ({"type": "A", "content": "192.0.2.1"}, {"content": "192.0.2.1", "proxied": False}),
        ({"content": "x", "tags": []}, {"content": "x"}),
        ({"content": "x", "settings": {"flattenCname": False}}, {"content": "x"}),
        ({"content": "x", "proxied": True, "ttl": 1}, {"content": "x", "proxied": True}),
        ({"name": "Bücher.example"}, {"name": "xn--bcher-kva.example"}),
    ],
)  # fmt: skip
def test_record_spelled_otherwise_is_unchanged(one: dict[str, Any], other: dict[str, Any]) -> None:
    kind = {"type": one.get("type", "A")}
    assert changed_fields(record(**(kind | one)), record(**(kind | other))) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("content", "mx2.acme.example"),
        ("priority", 20.0),
        ("ttl", 60.0),
        ("comment", "pm:acme:mx"),
        ("content", UNKNOWN),
        ("name", "acme"),
    ],
)
def test_record_with_another_meaning_is_changed(field: str, value: object) -> None:
    assert changed_fields(MX, {**MX, field: value}) == [field]


def test_record_with_a_relative_name_is_compared_in_full() -> None:
    planned = {**MX, "name": "mail"}
    live = {"name": "mail.acme.example", "type": "MX", "content": "mx1.acme.example", "ttl": 300}
    live |= {"priority": 10, "proxied": False, "comment": None, "tags": [], "settings": {}}
    assert live_inputs(planned, live) == planned


def test_record_changed_at_the_provider_is_read_as_changed() -> None:
    live = {"name": "acme.example", "type": "MX", "content": "evil.example", "ttl": 300}
    inputs = live_inputs({**MX, "comment": "pm:acme:mx"}, live | {"priority": 10, "comment": None})
    assert inputs == {**MX, "content": "evil.example"}
    assert changed_fields(inputs, {**MX, "comment": "pm:acme:mx"}) == ["content", "comment"]


def test_record_imported_is_read_whole_and_fits_its_program() -> None:
    data = {"flags": 0, "tag": "issue", "value": "ca.example"}
    live = {"name": "acme.example", "type": "CAA", "content": '0 issue "ca.example"', "ttl": 300}
    inputs = live_inputs({"zoneId": "z"}, live | {"data": data, "proxied": False})
    program = record(type="CAA", data={"flags": 0.0, "tag": "issue", "value": "ca.example"})
    assert changed_fields(inputs, program) == []


def test_body_has_configured_fields_and_null_for_removed_ones() -> None:
    before = {**MX, "comment": "old", "tags": ["a:b"]}
    assert body(MX, before) == {
        "name": "acme.example",
        "type": "MX",
        "content": "mx1.acme.example",
        "ttl": 300,
        "priority": 10,
        "proxied": False,
        "comment": None,
        "tags": None,
    }


def test_body_with_nested_names_is_spelled_as_the_api_does() -> None:
    sent = body(record(type="TLSA", data={"matchingType": 1.0}, settings={"ipv4Only": True}))
    assert sent["data"] == {"matching_type": 1}
    assert sent["settings"] == {"ipv4_only": True}


def test_record_with_several_mistakes_reports_all() -> None:
    wrong = {"zoneId": "z", "name": "a.example", "type": "MX", "ttl": 5, "comment": "c" * 501}
    assert [key for key, _ in mistakes(wrong)] == ["ttl", "priority", "content", "comment"]
    assert mistakes(MX) == []
