"""What the database knows becomes the credit of each bucket of a tenant."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from blueprint.tenant import Day, SendingHours
from sender import reasons
from sender.directory import DirectoryEntry, SendingAddress, SendingDomain, SendingMailbox
from sender.policy.buckets import credit
from sender.policy.counters import reserve
from sender.policy.holds import hold
from sender.policy.model import Credit, Kind, Subject, at_provider
from sender.policy.names import bucket_name
from sender.policy.snapshots import load, settle_home
from sender.policy.spreading import BURST, Pace
from sender.policy.warmup import set_day

from .conftest import Connection

TENANT = UUID(int=7)
GOOGLE = bucket_name("sales@acme.example", "acme.example", "google", "gmail.com")
OTHER = bucket_name("sales@acme.example", "acme.example", None, "rcpt.example")
REPLY = bucket_name("sales@acme.example", "acme.example", "google", "gmail.com", is_reply=True)


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


ENTRY = DirectoryEntry(
    tenant="acme",
    addresses=(address(2), address(3)),
    domains=(
        SendingDomain(
            name="acme.example",
            return_path="b.acme.example",
            selector="s1",
            sealed_dkim_key="sealed",
            verified=True,
        ),
    ),
    mailboxes=(SendingMailbox(address="sales@acme.example", daily_cap=50),),
    warmup_started=date(2026, 11, 1),
)


async def credits_of(
    connection: Connection, *names: str, entry: DirectoryEntry | None = ENTRY, **more: Any
) -> list[Credit]:
    loaded = await load(connection.cursor(), tenant_id=TENANT, entry=entry, names=names, **more)
    return [credit(loaded[name]) for name in names]


async def test_new_bucket_has_a_burst_and_its_caps_those_of_a_first_day(connection: Connection):
    [found] = await credits_of(connection, GOOGLE)
    assert (found.count, found.settles_home) == (BURST, True)
    assert {one.subject: one.most for one in found.caps} == {
        Subject(Kind.ADDRESS, "198.18.1.2"): 50,
        Subject(Kind.DOMAIN, "acme.example"): 20,
        Subject(Kind.MAILBOX, "sales@acme.example"): 10,
        at_provider("198.18.1.2", "google"): 50,
    }


async def test_what_was_handed_over_is_missing_from_the_credit(connection: Connection):
    """Until the day's cap is used up, whatever the hour: the bucket is never given more."""
    loaded = await load(connection.cursor(), tenant_id=TENANT, entry=ENTRY, names=[REPLY])
    sent = 0
    while (found := credit(loaded[REPLY])).count:
        one = found.hand_over(loaded[REPLY].now)
        assert await reserve(connection.cursor(), {uuid4(): one for _ in range(found.count)}) == {}
        assert await reserve(connection.cursor(), {uuid4(): one for _ in range(50)}) != {}
        sent += found.count
        loaded = await load(connection.cursor(), tenant_id=TENANT, entry=ENTRY, names=[REPLY])
    assert sent == BURST  # a fifth of ten, at least a burst
    assert found.reason == reasons.HOUR_CAP_REACHED


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
async def test_hold_of_a_subject_holds_its_buckets(connection: Connection, subject: Subject):
    await hold(connection.cursor(), subject, reasons.HELD, None, words="complaints")
    [found] = await credits_of(connection, GOOGLE)
    assert (found.count, found.reason) == (0, reasons.HELD)
    assert "complaints" in found.words


@pytest.mark.parametrize(
    "subject",
    [Subject(Kind.ADDRESS, "198.18.1.2"), at_provider("198.18.1.2", "google")],
    ids=str,
)
async def test_hold_of_a_home_is_not_carried_to_another(connection: Connection, subject: Subject):
    loaded = await load(connection.cursor(), tenant_id=TENANT, entry=ENTRY, names=[GOOGLE])
    bucket = loaded[GOOGLE]
    await settle_home(
        connection.cursor(), tenant_id=TENANT, bucket=bucket, egress=bucket.addresses[0]
    )
    await hold(connection.cursor(), subject, reasons.HOST_REFUSED, None)
    [found] = await credits_of(connection, GOOGLE)
    assert (found.count, found.reason) == (0, reasons.HOST_REFUSED)


async def test_home_moves_only_when_its_address_is_gone_or_draining(connection: Connection):
    cursor = connection.cursor()
    loaded = await load(cursor, tenant_id=TENANT, entry=ENTRY, names=[GOOGLE])
    first, second = loaded[GOOGLE].addresses
    await settle_home(cursor, tenant_id=TENANT, bucket=loaded[GOOGLE], egress=first)
    await settle_home(cursor, tenant_id=TENANT, bucket=loaded[GOOGLE], egress=second)
    [found] = await credits_of(connection, GOOGLE)
    assert found.egress is not None
    assert (found.egress.name, found.settles_home) == ("mx1-2", False)
    draining = ENTRY.model_copy(update={"addresses": (address(2, draining=True), address(3))})
    loaded = await load(cursor, tenant_id=TENANT, entry=draining, names=[GOOGLE])
    found = credit(loaded[GOOGLE])
    assert found.egress is not None
    assert (found.egress.name, found.settles_home) == ("mx1-3", True)
    await settle_home(cursor, tenant_id=TENANT, bucket=loaded[GOOGLE], egress=found.egress)
    [found] = await credits_of(connection, GOOGLE, entry=draining)
    assert not found.settles_home


async def test_replaced_address_begins_on_its_first_day(connection: Connection):
    for ip in ("198.18.1.2", "198.18.1.3"):
        await set_day(
            connection.cursor(), Subject(Kind.ADDRESS, ip), 90, reason="warm", actor="pm_live_x"
        )
    replaced = ENTRY.model_copy(update={"addresses": (address(2, ip="198.18.1.9"),)})
    for entry, most in ((ENTRY, 1200), (replaced, 50)):
        [found] = await credits_of(connection, GOOGLE, entry=entry)
        assert found.egress is not None
        assert found.egress.cap.most == most


async def test_bucket_of_an_unresolved_domain_waits_and_goes_on_where_it_is(
    connection: Connection, admin: Connection
):
    await admin.execute(
        "insert into policy.recipient_domains (domain, reason) values ('rcpt.example', 'SERVFAIL')"
    )
    [found] = await credits_of(connection, OTHER)
    assert (found.count, found.reason, found.words) == (0, "provider_unresolved", "SERVFAIL")
    await admin.execute("update policy.recipient_domains set provider = 'mimecast', reason = null")
    [found] = await credits_of(connection, OTHER)
    assert found.caps[3].subject == at_provider("198.18.1.2", "mimecast")


async def test_missing_domain_or_tenant_holds(connection: Connection):
    gone = ENTRY.model_copy(update={"domains": ()})
    reasons_found = [
        (await credits_of(connection, GOOGLE, entry=entry))[0].reason for entry in (gone, None)
    ]
    assert reasons_found == [reasons.DOMAIN_UNKNOWN, reasons.NOT_PUBLISHED]


async def test_hours_hold_neither_replies_nor_operators_mail(connection: Connection):
    now = datetime.now(UTC)
    closed = SendingHours(days=(list(Day)[(now.weekday() + 2) % 7],))
    entry = ENTRY.model_copy(update={"hours": closed})
    held, reply = await credits_of(connection, GOOGLE, REPLY, entry=entry)
    [urgent] = await credits_of(connection, GOOGLE, entry=entry, urgent=True)
    assert held.reason == reasons.OUTSIDE_HOURS
    assert reply.count
    assert urgent.count


async def test_pace_of_a_bucket_is_the_owners_memory(connection: Connection):
    loaded = await load(connection.cursor(), tenant_id=TENANT, entry=ENTRY, names=[GOOGLE])
    spent = Pace(0, loaded[GOOGLE].now)
    [found] = await credits_of(connection, GOOGLE, paces={GOOGLE: spent})
    assert found.reason == reasons.SPREAD
    assert replace(loaded[GOOGLE], pace=spent).pace == spent
