"""Which records with a tenant's mark are left over."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from stacks.leftovers import Known, leftovers

MARK = "pm:k3f9a:acme:"
SPF = f"{MARK}mx1-1/SPF"
RESTORED = datetime(2026, 11, 30, 12, tzinfo=UTC)


def live(id_: str = "r1", comment: str | None = SPF, **others: Any) -> dict[str, Any]:
    return {"id": id_, "name": "mx1.acme.example", "type": "TXT", "comment": comment, **others}


def ids(*listed: dict[str, Any], **known: Any) -> list[str]:
    fields = {"mark": MARK, "in_state": (), **known}
    return [one["id"] for one in leftovers(listed, Known(**fields))]


def test_record_with_the_mark_that_nothing_knows_is_left_over() -> None:
    assert ids(live()) == ["r1"]


@pytest.mark.parametrize(
    "comment",
    [None, "", "ours", "pm:k3f9b:acme:mx1-1/SPF", "pm:k3f9a:acme-two:mx1-1/SPF", f"x{SPF}"],
)
def test_record_of_others_is_never_left_over(comment: str | None) -> None:
    assert ids(live(comment=comment)) == []


def test_record_of_state_or_blueprint_is_kept() -> None:
    assert ids(live(), in_state={"r1"}) == []
    assert ids(live(), wanted={(SPF, "TXT")}) == []


def test_record_of_a_mark_whose_type_has_changed_is_left_over() -> None:
    assert ids(live(), wanted={(SPF, "A")}) == ["r1"]


def test_challenge_of_a_certificate_is_kept() -> None:
    challenge = live(comment=f"{MARK}_acme-challenge/mx1.acme.example")
    assert ids({**challenge, "name": "_acme-challenge.mx1.acme.example"}) == []


def test_one_of_several_with_the_same_mark_is_kept() -> None:
    both = live("r1"), live("r2")
    assert ids(*both, wanted={(SPF, "TXT")}) == ["r2"]
    assert ids(*both, wanted={(SPF, "TXT")}, in_state={"r2"}) == ["r1"]


@pytest.mark.parametrize(
    ("created_on", "removed"),
    [("2026-11-30T11:59:00.5Z", []), ("2026-11-30T12:01:00Z", ["r1"]), (None, [])],
)
def test_record_that_is_older_than_a_recovery_is_kept(
    created_on: str | None, removed: list[str]
) -> None:
    """A document that was applied after the backup may have it."""
    assert ids(live(created_on=created_on), since=RESTORED) == removed
