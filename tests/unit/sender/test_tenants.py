"""How many jobs of a bucket may be claimed, from memory."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from blueprint.tenant import SendingHours
from sender.directory import SendingMailbox
from sender.dispatch.store import DatabaseClock
from sender.dispatch.tenants import Tenant, Tenants
from sender.policy.model import HandOver, Kind, Subject, Warm
from sender.policy.names import BucketName
from sender.policy.snapshots import Standing
from sender.queue.buckets import Bucket
from sender.queue.buckets import Tenant as QueueTenant

from .test_standing import ENTRY, TENANT

GOOGLE = str(BucketName("sales@acme.example", "google"))
YAHOO = str(BucketName("sales@acme.example", "yahoo"))
ALSO_GOOGLE = str(BucketName("sales@acme.example", None, "rcpt.example"))


def bucket(id_: int, name: str, tenant: UUID = TENANT) -> Bucket:
    return Bucket(id_, QueueTenant(tenant, 1), name, urgent=False)


@pytest.fixture
def tenants() -> Tenants:
    made = Tenants(DatabaseClock(), lambda _: 4)
    entry = ENTRY.model_copy(update={"addresses": ENTRY.addresses[:1]})
    made.known[TENANT] = Tenant(TENANT, 1, Standing(TENANT, entry))
    return made


def warmed_up(tenants: Tenants) -> Tenants:
    """Let mailbox and domain be warm, so that only what is at an address limits buckets."""
    own = Subject(Kind.MAILBOX, "sales@acme.example"), Subject(Kind.DOMAIN, "acme.example")
    tenants.known[TENANT].standing.warm = {subject: Warm(subject, 90) for subject in own}
    return tenants


def hand_over(tenants: Tenants, id_: int) -> HandOver:
    route = tenants.route(id_)
    assert route is not None
    return HandOver.read(route.takes)


def test_burst_is_claimed_once_and_then_the_bucket_is_to_be_held(tenants: Tenants) -> None:
    google = bucket(1, GOOGLE)
    assert tenants.credit(google) == 3
    tenants.on_in_work(1, 3)
    for left in (2, 1):
        hand_over(tenants, 1)
        tenants.admitted([1])
        assert tenants.credit(google) == left
    hand_over(tenants, 1)
    tenants.admitted([1])
    assert tenants.credit(google) == 0
    assert tenants.undecided == {(TENANT, GOOGLE)}
    assert tenants.decide((TENANT, GOOGLE)).reason == "spread"


def test_refusal_of_our_host_gives_a_mail_of_the_burst_back(tenants: Tenants) -> None:
    google = bucket(1, GOOGLE)
    tenants.credit(google)
    taken = hand_over(tenants, 1)
    tenants.counted({place.subject: (3, 3) for place in taken.places}, _owned(taken))
    tenants.admitted([1, 1, 1])
    assert tenants.decide((TENANT, GOOGLE)).reason == "hour_cap_reached"
    tenants.given_back(1, TENANT, taken)
    assert tenants.decide((TENANT, GOOGLE)).count == 1
    assert tenants.rechecked == {TENANT}


def test_buckets_share_what_their_address_takes_at_the_same_time(tenants: Tenants) -> None:
    google, yahoo = bucket(1, GOOGLE), bucket(2, YAHOO)
    warmed_up(tenants).credit(google)
    tenants.on_in_work(1, 3)
    assert tenants.credit(yahoo) == 1
    tenants.on_in_work(1, -3)
    assert tenants.credit(yahoo) == 3


def test_place_at_an_address_is_free_as_soon_as_the_address_is_done_with_a_mail(
    tenants: Tenants,
) -> None:
    google, yahoo = bucket(1, GOOGLE), bucket(2, YAHOO)
    warmed_up(tenants).credit(google)
    tenants.on_in_work(1, 3)
    assert tenants.credit(yahoo) == 1
    tenants.answered(1)
    assert tenants.credit(yahoo) == 2
    tenants.on_in_work(1, -1)
    assert tenants.credit(yahoo) == 2, "its outcome is written, and frees nothing more"
    for _ in range(3):
        tenants.answered(1)
    assert tenants.credit(yahoo) == 3
    tenants.on_in_work(1, -2)
    tenants.credit(google)
    tenants.on_in_work(1, 3)
    assert tenants.credit(yahoo) == 1


def test_buckets_of_a_mailbox_to_a_provider_share_its_burst_from_the_claim_on(
    tenants: Tenants,
) -> None:
    """Together they have the burst of 3, not each of them."""
    warmed_up(tenants).resolved["rcpt.example"] = ("google", None)
    tenants.known[TENANT].standing.resolved = tenants.resolved
    google, other = bucket(1, GOOGLE), bucket(2, ALSO_GOOGLE)
    assert (tenants.credit(google), tenants.credit(other)) == (3, 3)
    tenants.on_in_work(1, 2)
    assert (tenants.credit(google), tenants.credit(other)) == (3, 1)
    tenants.on_in_work(1, -2)
    assert tenants.credit(other) == 3, "they were put back"
    tenants.on_in_work(1, 2)
    taken = hand_over(tenants, 1)
    tenants.admitted([1, 1])
    assert tenants.credit(other) == 1
    tenants.on_in_work(2, 1)
    assert tenants.credit(google) == 0, "the third one is claimed"
    assert not tenants.undecided, "and may be put back"
    tenants.admitted([2])
    assert tenants.credit(google) == 0
    assert tenants.undecided == {(TENANT, GOOGLE)}, "it is held until the next mail may leave"
    tenants.undecided.clear()
    tenants.given_back(1, TENANT, taken)
    assert tenants.credit(google) == 1


def test_buckets_share_the_caps_of_mailbox_and_domain_from_the_claim_on(tenants: Tenants) -> None:
    """On its first day a mailbox has 3 mails in an hour, whatever they are to."""
    google, yahoo = bucket(1, GOOGLE), bucket(2, YAHOO)
    assert (tenants.credit(google), tenants.credit(yahoo)) == (3, 3)
    tenants.on_in_work(1, 2)
    assert tenants.credit(yahoo) == 1
    hand_over(tenants, 1)
    tenants.admitted([1])
    assert tenants.credit(yahoo) == 1, "one begun, one claimed"
    tenants.on_in_work(1, -1)
    assert tenants.credit(yahoo) == 1
    tenants.on_in_work(1, -1)
    assert tenants.credit(yahoo) == 2, "the other one was put back"


def test_what_other_senders_hand_over_is_part_of_the_burst(tenants: Tenants) -> None:
    google = bucket(1, GOOGLE)
    assert tenants.credit(google) == 3
    tenants.on_in_work(1, 3)
    for _ in range(3):
        tenants.ended_elsewhere(1)
        tenants.on_in_work(1, -1)
    assert tenants.credit(google) == 0


def test_jobs_that_others_have_claimed_count_from_when_their_bucket_is_known(
    tenants: Tenants,
) -> None:
    warmed_up(tenants).on_in_work(1, 2)
    assert tenants.route(1) is None
    tenants.learn(1, (TENANT, GOOGLE))
    assert tenants.route(1) is not None
    assert tenants.credit(bucket(1, GOOGLE)) == 3
    assert tenants.credit(bucket(2, YAHOO)) == 2
    tenants.on_in_work(1, -2)
    assert tenants.credit(bucket(2, YAHOO)) == 3


def test_homes_that_are_chosen_at_the_same_time_are_spread_over_addresses() -> None:
    domains = [ENTRY.domains[0].model_copy(update={"name": f"{n}.example"}) for n in range(4)]
    boxes = [SendingMailbox(address=f"{w}@{d.name}", daily_cap=9) for d in domains for w in "ab"]
    entry = ENTRY.model_copy(update={"domains": tuple(domains), "mailboxes": tuple(boxes)})
    tenants = Tenants(DatabaseClock(), lambda _: 100)
    standing = Standing(TENANT, entry)
    tenants.known[TENANT] = Tenant(TENANT, 1, standing)

    def addresses(first_id: int) -> dict[str, set[str]]:
        """Decide about a bucket of each mailbox; return the addresses by From domain."""
        found: dict[str, set[str]] = {domain.name: set() for domain in domains}
        for id_, box in enumerate(boxes, first_id):
            name = BucketName(box.address, "google")
            tenants.credit(bucket(id_, str(name)))
            route = tenants.route(id_)
            assert route is not None
            assert route.homely is not None
            found[name.domain].add(route.address.name)
        return found

    chosen = addresses(1)
    assert Counter(name for (name,) in chosen.values()) == {"mx1-2": 2, "mx1-3": 2}
    standing.note(Subject(Kind.ADDRESS, ENTRY.addresses[0].ip), 20, 0)  # it was used more
    assert addresses(101) == chosen
    (first,) = chosen["0.example"]
    tenants.settled(TENANT, "0.example", "google", first)
    assert standing.homes == {("0.example", "google"): first}


def test_tenant_that_is_not_known_is_read_first(tenants: Tenants) -> None:
    asked: list[Any] = []
    tenants.wake = lambda: asked.append(1)
    other = UUID(int=8)
    assert tenants.credit(bucket(1, GOOGLE, other)) == 0
    assert (tenants.wanted, asked) == ({other}, [1])


def test_decision_does_not_outlive_the_minute_in_which_sending_hours_may_end() -> None:
    hours = SendingHours(timezone="UTC", hours="08:00-17:00")
    entry = ENTRY.model_copy(update={"addresses": ENTRY.addresses[:1], "hours": hours})
    passed = 0.0
    closes = datetime(2026, 11, 24, 17, tzinfo=UTC)

    class Clock(DatabaseClock):
        def now(self) -> datetime:
            return closes - timedelta(seconds=0.5 - passed)

    tenants = Tenants(Clock(), lambda _: 4, monotonic=lambda: passed)
    tenants.known[TENANT] = Tenant(TENANT, 1, Standing(TENANT, entry))
    google = bucket(1, GOOGLE)
    assert tenants.credit(google) == 3
    passed = 0.4
    assert tenants.credit(google) == 3
    passed = 0.6
    assert tenants.credit(google) == 0
    assert tenants.route(1) is None


def _owned(taken: HandOver) -> dict[Any, UUID]:
    return {place.subject: TENANT for place in taken.places}
