"""Existing records: which are adopted, which conflict, and when a zone is not listed."""

from __future__ import annotations

from typing import Any

import pytest

from blueprint.document import Record
from stacks.adoption import adoptions
from stacks.faults import FOREIGN_RECORD
from tests.support.faults import fault_shown


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
    return adoptions("z1", [desired], in_state or set(), lambda _: existing)


def test_marked_record_is_adopted_whatever_its_content() -> None:
    marked = live(comment="pm:k3f9a:acme:acme.example/TXT")
    assert adopt(record(), marked) == {"acme.example/TXT": "z1/r1"}


def test_record_of_the_state_is_not_imported_again() -> None:
    marked = live(comment="pm:k3f9a:acme:acme.example/TXT")
    assert adopt(record(), marked, in_state={"acme.example/TXT"}) == {}


def test_zone_whose_records_are_in_the_state_is_not_listed() -> None:
    def never(zone: str) -> list[dict[str, Any]]:
        pytest.fail(f"{zone} was listed")

    assert adoptions("z1", [record()], {"acme.example/TXT"}, never) == {}


@pytest.mark.parametrize(
    ("desired", "other"),
    [
        (record(), live(content='"v=spf1 include:other.example -all"')),
        (record("MX", "mx1.acme.example"), live("MX", "mail.other.example")),
        (record("CNAME", "x.example"), live("A", "192.0.2.1")),
        (record(), live("CNAME", "other.example")),
        (record(), live(content="v=spf1 -all", comment="pm:k3f9b:acme:acme.example/TXT")),
    ],
)
def test_conflicting_foreign_record_is_a_fault(desired: Record, other: dict[str, Any]) -> None:
    record = f"{other['type']} acme.example ({other['content']})"
    with fault_shown(FOREIGN_RECORD, record=record, key=desired.key, mark=desired.comment):
        adopt(desired, other)


@pytest.mark.parametrize(
    "other",
    [
        live(content="some-verification=1"),
        live("MX", "mail.other.example"),
        {**live(content="v=spf1 -all"), "name": "www.acme.example"},
        live(content="v=spf1 -all", comment="pm:k3f9a:acme:acme.example/old"),
    ],
)
def test_foreign_record_without_a_conflict_is_ignored(other: dict[str, Any]) -> None:
    assert adopt(record(), other) == {}
