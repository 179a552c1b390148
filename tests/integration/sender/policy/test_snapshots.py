"""What the database knows of tenants is read for many of them at once."""

from __future__ import annotations

from uuid import UUID, uuid4

from sender.policy import counters
from sender.policy.buckets import credit
from sender.policy.holds import active, hold
from sender.policy.model import Kind, Subject
from sender.policy.names import BucketName
from sender.policy.snapshots import Standing, load, resolved_since, settle_homes
from sender.policy.warmup import set_day, set_since
from sender.queue import NewJob, enqueue
from sender.reasons import HELD
from tests.unit.sender.test_standing import ENTRY

from .conftest import Connection

ONE, OTHER = UUID(int=7), UUID(int=8)
REPLY = BucketName("sales@acme.example", "google", is_reply=True)
SALES = Subject(Kind.MAILBOX, "sales@acme.example")


async def read(connection: Connection) -> Standing:
    found = await load(connection.cursor(), {ONE: ENTRY, OTHER: None}, {})
    assert list(found) == [ONE, OTHER]
    return found[ONE]


def home(address: str, *kept: str) -> dict[str, list[object]]:
    names = ", ".join(f'"{name}"' for name in kept)
    return {
        "tenant_ids": [ONE],
        "domains": ["acme.example"],
        "providers": ["google"],
        "addresses": [address],
        "kept": [f"[{names}]"],
    }


async def test_what_was_handed_over_is_missing_from_the_credit(connection: Connection):
    """Until the hour's cap is used up: the bucket is never given more."""
    sent = 0
    while (
        found := credit((known := await read(connection)).bucket(REPLY, await now(connection)))
    ).count:
        assert known.at is not None
        one = found.hand_over(await now(connection))
        for count, refused in ((found.count, 0), (50, 50)):
            batch = {uuid4(): one for _ in range(count)}
            assert len((await counters.reserve(connection.cursor(), batch)).refused) == refused
        sent += found.count
    assert sent == 3  # a fifth of ten, at least a burst


async def now(connection: Connection):
    row = await (await connection.execute("select now()")).fetchone()
    assert row is not None
    return row[0]


async def test_home_stays_while_its_address_can_be_one(connection: Connection):
    cursor = connection.cursor()
    settled = [(ONE, "acme.example", "google", "mx1-2")]
    assert await settle_homes(cursor, home("mx1-2", "mx1-2", "mx1-3")) == settled
    assert await settle_homes(cursor, home("mx1-3", "mx1-2", "mx1-3")) == settled
    assert (await read(connection)).homes == {("acme.example", "google"): "mx1-2"}
    assert await settle_homes(cursor, home("mx1-3", "mx1-3"))
    assert (await read(connection)).homes == {("acme.example", "google"): "mx1-3"}


async def test_changes_of_others_are_found(connection: Connection, admin: Connection):
    began = await now(connection)
    await set_day(connection.cursor(), [SALES], 90, reason="warm", actor="pm_live_x")
    await hold(connection.cursor(), SALES, HELD, None, words="complaints")
    assert await set_since(connection.cursor(), began) == {SALES}
    assert list(await active(connection.cursor())) == [SALES]
    assert (await read(connection)).warm[SALES].day == 90
    await admin.execute(
        "insert into policy.recipient_domains (domain, provider, looked_at) values "
        "('rcpt.example', 'mimecast', now()), ('new.example', null, null)"
    )
    assert await resolved_since(connection.cursor(), began) == {"rcpt.example": ("mimecast", None)}


async def test_buckets_with_mail_share_the_rate(connection: Connection, admin: Connection):
    names = [BucketName("sales@acme.example", provider) for provider in ("google", "yahoo")]
    await enqueue(admin, ONE, [NewJob(str(name), b"") for name in names])
    await admin.execute("update queue.buckets set filled = true")
    found = credit((await read(connection)).bucket(names[0], await now(connection)))
    alone = credit(Standing(ONE, ENTRY).bucket(names[0], await now(connection)))
    assert found.rate is not None
    assert found.rate * 2 == alone.rate
