"""What is known of a tenant becomes the snapshot of each of its buckets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from blueprint.tenant import Day, SendingHours
from sender import reasons
from sender.directory import DirectoryEntry, SendingAddress, SendingMailbox
from sender.policy.buckets import credit
from sender.policy.model import Credit, Hold, Kind, Subject, Warm, at_provider
from sender.policy.names import BucketName
from sender.policy.snapshots import Standing
from sender.policy.spreading import BURST, Pace
from sender.schemas import Stop, StopScope
from tests.support.directory import ENTRY as ONE_ADDRESS

TENANT = UUID(int=7)
NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
GOOGLE = BucketName("sales@acme.example", "google")
OTHER = BucketName("sales@acme.example", None, "rcpt.example")


def address(number: int, **changes: Any) -> SendingAddress:
    fields = {
        "name": f"mx1-{number}",
        "ip": f"198.18.1.{number}",
        "helo": f"mx1-{number}.acme.example",
        "username": "user",
        "sealed_password": "sealed",
        "ca_pem": "pem",
    }
    return SendingAddress.model_validate(fields | changes)


ENTRY = ONE_ADDRESS.model_copy(update={"addresses": (address(2), address(3))})


def standing(entry: DirectoryEntry | None = ENTRY, **changes: Any) -> Standing:
    return Standing(TENANT, entry, **changes)


def credit_of(
    known: Standing, name: BucketName = GOOGLE, now: datetime = NOW, **more: Any
) -> Credit:
    return credit(known.bucket(name, now, **more))


def changed(**changes: Any) -> DirectoryEntry:
    return ENTRY.model_copy(update=changes)


def test_new_bucket_has_a_burst_and_its_caps_those_of_a_first_day() -> None:
    found = credit_of(standing())
    assert (found.count, found.settles_home) == (BURST, True)
    assert {one.subject: one.most for one in found.caps} == {
        Subject(Kind.ADDRESS, "198.18.1.2"): 50,
        Subject(Kind.DOMAIN, "acme.example"): 20,
        Subject(Kind.MAILBOX, "sales@acme.example"): 10,
        at_provider("198.18.1.2", "google"): 50,
    }


def test_replaced_address_and_new_mailbox_begin_on_their_first_day() -> None:
    warm = {
        subject: Warm(subject, 90)
        for subject in (
            Subject(Kind.ADDRESS, "198.18.1.2"),
            Subject(Kind.ADDRESS, "198.18.1.3"),
            Subject(Kind.MAILBOX, "sales@acme.example"),
        )
    }
    boxes = (*ENTRY.mailboxes, SendingMailbox(address="new@acme.example", daily_cap=50))
    replaced = changed(addresses=(address(2, ip="198.18.1.9"),), mailboxes=boxes)
    for entry, sender, caps in (
        (ENTRY, "sales@acme.example", (1200, 50)),
        (replaced, "sales@acme.example", (50, 50)),
        (replaced, "new@acme.example", (50, 10)),
    ):
        found = credit_of(standing(entry, warm=warm), BucketName(sender, "google"))
        assert (found.caps[0].most, found.caps[2].most) == caps


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (None, reasons.NOT_PUBLISHED),
        (changed(domains=()), reasons.DOMAIN_UNKNOWN),
        (changed(mailboxes=()), reasons.MAILBOX_UNKNOWN),
        (changed(postal_address=None), reasons.NO_POSTAL_ADDRESS),
    ],
)
def test_what_the_directory_does_not_have_holds(entry: DirectoryEntry | None, reason: str) -> None:
    assert credit_of(standing(entry)).reason == reason


def test_transactional_mail_needs_no_postal_address_and_waits_for_no_hours() -> None:
    closed = SendingHours(days=(list(Day)[(NOW.weekday() + 2) % 7],))
    known = standing(changed(postal_address=None, hours=closed))
    found = credit_of(known, BucketName("sales@acme.example", "google", is_transactional=True))
    assert found.count


def test_mail_of_an_alias_counts_as_its_mailbox() -> None:
    alias = SendingMailbox(address="sales@acme.example", daily_cap=50, aliases=("s@acme.example",))
    box = Subject(Kind.MAILBOX, "sales@acme.example")
    known = standing(changed(mailboxes=(alias,)), warm={box: Warm(box, 90, 50)})
    found = credit_of(known, BucketName("s@acme.example", "google"))
    assert found.words.endswith("sales@acme.example has reached its cap of 50 a day")


@pytest.mark.parametrize("sender", ["sales+x@acme.example", "any@acme.example"])
def test_mail_of_a_sub_address_or_a_catch_all_counts_as_its_mailbox(sender: str) -> None:
    domain = ENTRY.domains[0].model_copy(update={"catch_all": "sales@acme.example"})
    box = Subject(Kind.MAILBOX, "sales@acme.example")
    known = standing(changed(domains=(domain,)), warm={box: Warm(box, 90, 50)})
    found = credit_of(known, BucketName(sender, "google"))
    assert found.words.endswith("sales@acme.example has reached its cap of 50 a day")


@pytest.mark.parametrize(
    "subject",
    [
        Subject(Kind.TENANT, str(TENANT)),
        Subject(Kind.DOMAIN, "acme.example"),
        Subject(Kind.MAILBOX, "sales@acme.example"),
        Subject(Kind.PROVIDER, "google"),
    ],
    ids=str,
)
def test_hold_of_a_subject_holds_its_buckets(subject: Subject) -> None:
    held = Hold(subject, reasons.HELD, "complaints", None)
    found = credit_of(standing(holds={subject: held}))
    assert (found.count, found.reason) == (0, reasons.HELD)
    assert "complaints" in found.words
    assert str(TENANT) not in found.words


@pytest.mark.parametrize(
    "subject",
    [Subject(Kind.ADDRESS, "198.18.1.2"), at_provider("198.18.1.2", "google")],
    ids=str,
)
def test_hold_of_a_home_is_not_carried_to_another(subject: Subject) -> None:
    held = Hold(subject, reasons.HOST_REFUSED, "no", None)
    known = standing(holds={subject: held}, homes={("acme.example", "google"): "mx1-2"})
    assert credit_of(known).reason == reasons.HOST_REFUSED


def test_home_moves_only_when_its_address_is_gone_or_draining() -> None:
    draining = changed(addresses=(address(2, draining=True), address(3)))
    gone = changed(addresses=(address(3),))
    for entry, name, settles in (
        (ENTRY, "mx1-2", False),
        (draining, "mx1-3", True),
        (gone, "mx1-3", True),
    ):
        found = credit_of(standing(entry, homes={("acme.example", "google"): "mx1-2"}))
        assert found.egress is not None
        assert (found.egress.name, found.settles_home) == (name, settles)


def test_bucket_of_an_unresolved_domain_waits_and_goes_on_where_it_is() -> None:
    known = standing(resolved={"rcpt.example": (None, "SERVFAIL")})
    found = credit_of(known, OTHER)
    assert (found.count, found.reason, found.words) == (0, "provider_unresolved", "SERVFAIL")
    known.resolved["rcpt.example"] = ("mimecast", None)
    assert credit_of(known, OTHER).caps[3].subject == at_provider("198.18.1.2", "mimecast")


def test_hours_hold_neither_replies_nor_operators_mail() -> None:
    closed = SendingHours(days=(list(Day)[(NOW.weekday() + 2) % 7],))
    known = standing(changed(hours=closed))
    assert credit_of(known).reason == reasons.OUTSIDE_HOURS
    assert credit_of(known, BucketName("sales@acme.example", "google", is_reply=True)).count
    assert credit_of(known, BucketName("sales@acme.example", "google", is_operators=True)).count


@pytest.mark.parametrize("saved", [0.9, 0, -0.5, -1, -17])
def test_pace_holds_until_the_next_mail_is_due(saved: float) -> None:
    """Also when buckets that share it have used more than was saved."""
    pace = Pace(saved, NOW)
    found = credit_of(standing(), pace=pace)
    assert (found.count, found.reason) == (0, reasons.SPREAD)
    assert found.until is not None
    assert credit_of(standing(), now=found.until, pace=pace).count == 1


def test_addresses_of_one_mailbox_and_provider_are_spread_together() -> None:
    known = standing()
    tagged = [BucketName(f"sales+{n}@acme.example", "google") for n in range(5)]
    rates = [credit_of(known, name).rate for name in (GOOGLE, *tagged)]
    assert len(set(rates)) == 1
    other = credit_of(known, BucketName("sales@acme.example", "yahoo")).rate
    assert rates[0] is not None
    assert other == pytest.approx(rates[0] / 2)


def test_counts_begin_anew_with_the_hour_and_with_the_day() -> None:
    known = standing(at=None)
    reply = BucketName("sales@acme.example", "google", is_reply=True)
    box = Subject(Kind.MAILBOX, "sales@acme.example")
    credit_of(known, reply)
    known.note(box, 5, 3)
    assert credit_of(known, reply).reason == reasons.HOUR_CAP_REACHED
    assert credit_of(known, reply, NOW + timedelta(hours=1)).count == 3
    assert known.warm[box].used == 5
    credit_of(known, reply, NOW + timedelta(days=1))
    assert known.warm[box].used == 0


@pytest.mark.parametrize(
    ("scope", "name", "is_held"),
    [
        (StopScope.TENANT, None, True),
        (StopScope.DOMAIN, "acme.example", True),
        (StopScope.DOMAIN, "other.example", False),
        (StopScope.ADDRESS, "mx1-2", False),
    ],
)
def test_stop_holds_what_it_concerns(scope: StopScope, name: str | None, is_held: bool) -> None:
    stop = Stop(
        id=UUID(int=1),
        scope=scope,
        tenant_id=TENANT,
        name=name,
        reason="complaints",
        actor="pm_live_abcdefgh",
        by_operator=True,
        since=NOW,
    )
    found = credit_of(standing(stops=(stop,)))
    assert (found.reason == reasons.STOPPED) is is_held
    at_home = credit_of(standing(stops=(stop,), homes={("acme.example", "google"): "mx1-2"}))
    assert (at_home.reason == reasons.STOPPED) is (is_held or scope is StopScope.ADDRESS)
