"""Held buckets are released, with the holds of what their mail counts against."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import dict_row
from pydantic import ValidationError

from sender.directory import DirectoryEntry
from sender.mailq.selection import SQL, Changed, Connection, Place, Selection, find
from sender.policy import holds, snapshots
from sender.policy.buckets import credit
from sender.policy.model import BucketSnapshot, Hold, Kind, Subject
from sender.policy.names import BucketName
from sender.policy.snapshots import Standing
from sender.queue import operations
from sender.reasons import HOUR_CAP_REACHED, OF_HOSTS, SPREAD, UNSUBSCRIBE_NOT_HTTPS
from sender.stops import widest_first

ONLY_SENDERS_KNOW = (HOUR_CAP_REACHED, SPREAD, UNSUBSCRIBE_NOT_HTTPS, *OF_HOSTS)
"""Reasons that follow from a sender's memory or settings: such a bucket is held for it again."""
ANY_BURST = 1_000_000
"""How much may leave at once is a setting of the sender."""


@dataclass(frozen=True)
class Released(Changed):
    """Buckets that are not held any more, by tenant; those that are held again count too."""

    ended: Mapping[UUID, Sequence[Subject]]
    """By tenant: what was held, and is not any more."""
    kept: Mapping[str, int]
    """Buckets that are held again at once, by the code of what else is in the way."""

    @property
    def notes(self) -> Mapping[UUID, str]:
        """Say which holds have ended."""
        return {
            tenant_id: f", with the holds of {', '.join(map(str, subjects))}"
            for tenant_id, subjects in self.ended.items()
        }


@dataclass(frozen=True)
class Held:
    """A bucket that is held."""

    tenant_id: UUID
    name: str
    reason: str
    at: datetime
    """The database's time."""


async def release(connection: Connection, selection: Selection, *, most: int) -> Released:
    """Release the buckets that the mail is in, and end the holds that keep it.

    The hold of a provider for all addresses stays: it is not of this mail alone. What else is in
    the way, such as a cap or a stop, holds the buckets again: once, since a search that goes on
    leaves out what was released since it began. Looks at up to so many mails, or, where none is
    meant in particular, at so many buckets.
    """
    buckets, following = await _held(connection, selection, most)
    cursor = connection.cursor()
    active = await holds.active(cursor)
    standings = await _standings(connection, buckets.keys(), active)
    ended: dict[UUID, list[Subject]] = {}
    kept: Counter[str] = Counter()
    for tenant_id, some in sorted(buckets.items()):
        before = set(active)
        kept.update(filter(None, (_kept(standings[tenant_id], one, active) for one in some)))
        if over := sorted(before - active.keys()):
            ended[tenant_id] = over
    for subject in sorted(subject for some in ended.values() for subject in some):
        await holds.release(cursor, subject)
    for tenant_id, some in sorted(buckets.items()):
        await operations.release(connection, tenant_id, [one.name for one in some])
    counts = {tenant_id: len(some) for tenant_id, some in buckets.items()}
    return Released(counts, next=following, ended=ended, kept=kept)


def _kept(standing: Standing, bucket: Held, active: dict[Subject, Hold]) -> str | None:
    """Remove the holds that keep a bucket; return the reason that keeps it then, if any."""

    def snapshot() -> BucketSnapshot:
        return standing.bucket(BucketName.parse(bucket.name), bucket.at)

    while over := _keeping(snapshot()):
        for subject in over:
            del active[subject]
    found = credit(snapshot())
    if not found.count:
        return found.reason
    return bucket.reason if bucket.reason in ONLY_SENDERS_KNOW else None


def _keeping(bucket: BucketSnapshot) -> set[Subject]:
    """Return what is held and keeps a bucket, except for its provider."""
    held = list(bucket.holds)
    if not any(address.is_usable for address in bucket.addresses):
        held += [address.hold for address in bucket.addresses if address.hold is not None]
    return {one.subject for one in held} - {Subject(Kind.PROVIDER, bucket.provider or "")}


async def _held(
    connection: Connection, selection: Selection, most: int
) -> tuple[Mapping[UUID, Sequence[Held]], Place | None]:
    """Return held buckets by tenant, and where the search goes on."""
    is_of_mail = selection.ids is not None or selection.recipient_domain is not None
    query = SQL.held_buckets_of_mail if is_of_mail else SQL.held_buckets
    found, following = await find(connection, query, selection, most)
    buckets: dict[UUID, list[Held]] = defaultdict(list)
    for row in found:
        bucket = Held(*row)
        buckets[bucket.tenant_id].append(bucket)
    return buckets, following


async def _standings(
    connection: Connection, tenant_ids: Collection[UUID], active: Mapping[Subject, Hold]
) -> dict[UUID, Standing]:
    """Read what a sender knows of tenants."""
    values = {"tenant_ids": list(tenant_ids)}
    cursor = connection.cursor()
    await cursor.execute(SQL.entries, values)
    entries = {tenant_id: _entry(document) for tenant_id, document in await cursor.fetchall()}
    found = await snapshots.load(cursor, entries, {}, ANY_BURST)
    rows = connection.cursor(row_factory=dict_row)
    await rows.execute(SQL.stops, values)
    stops = widest_first(await rows.fetchall())
    for tenant_id, standing in found.items():
        standing.stops = [stop for stop in stops if stop.tenant_id in (None, tenant_id)]
        standing.holds = active
    return found


def _entry(document: object) -> DirectoryEntry | None:
    """Read an entry; as for a sender, one that this version cannot read is none."""
    try:
        return None if document is None else DirectoryEntry.model_validate(document)
    except ValidationError:
        return None
