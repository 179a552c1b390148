"""What is served next: fair between tenants by weight, the most urgent first within a tenant.

A worker's memory of the buckets that have jobs; all of it can be read from the database again.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

QUANTUM = 10
"""Jobs for each unit of weight and turn."""
GUESS = 100
"""Jobs that a bucket is believed to have of which nothing is known yet."""
DRY = 50
"""Claims or looks in vain after which a bucket is forgotten."""
Position = tuple[int, datetime, UUID]
"""Priority, due time and id: the order of the jobs in a bucket."""
START: Position = (1, datetime(1, 1, 2, tzinfo=UTC), UUID(int=0))


@dataclass(frozen=True, slots=True)
class BucketRow:
    """A bucket that has jobs and is not held."""

    id: int
    tenant_id: UUID
    name: str
    urgent: bool
    weight: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """Jobs that came into a bucket, none of them before `position`."""

    bucket_id: int
    position: Position
    jobs: int
    is_changed: bool = False
    """It was held or released: what is known of it is not true any more."""


@dataclass(slots=True, eq=False)
class Tenant:
    """A tenant with buckets to serve."""

    id: UUID
    weight: int
    buckets: dict[int, Bucket] = field(default_factory=dict)
    deficit: int = 0

    @property
    def slot(self) -> int:
        """Return the part of all tenants that it belongs to."""
        return self.id.bytes[15]


@dataclass(slots=True, eq=False)
class Bucket:
    """A bucket that may have jobs."""

    id: int
    tenant: Tenant
    name: str
    urgent: bool
    position: Position = START
    """No job comes before it."""
    expected: int = GUESS
    """Jobs that it probably has."""
    changes: int = 0
    """A claim that began before the last change does not move the position."""
    dry: int = 0
    """How often nothing was found since the last job."""


@dataclass(frozen=True, slots=True)
class Claim:
    """How many jobs of a bucket are claimed."""

    bucket: Bucket
    most: int
    changes: int
    """Of the bucket, when this was planned."""


Credit = Callable[[Bucket], int]
"""How many jobs of a bucket may be without an outcome at the same time."""
OnInWork = Callable[[int, int], None]
"""Is called at once with a bucket and by how much its jobs without an outcome changed: for a
credit that several buckets share."""


def ignore_in_work(_bucket_id: int, _jobs: int) -> None:
    """Ignore it."""


@dataclass(slots=True)
class Rounds:
    """Deficit round robin over tenants; urgent buckets come before all."""

    _turns: deque[Tenant] = field(default_factory=deque)
    _urgent: dict[int, Bucket] = field(default_factory=dict)

    def add(self, bucket: Bucket) -> None:
        """Serve a bucket from now on."""
        if bucket.urgent:
            self._urgent[bucket.id] = bucket
            return
        if not bucket.tenant.buckets:
            self._turns.append(bucket.tenant)
        bucket.tenant.buckets[bucket.id] = bucket

    def remove(self, bucket: Bucket) -> None:
        """Serve a bucket no longer; with its last one, a tenant loses its turn."""
        if bucket.urgent:
            self._urgent.pop(bucket.id, None)
        elif bucket.tenant.buckets.pop(bucket.id, None) and not bucket.tenant.buckets:
            self._turns.remove(bucket.tenant)
            bucket.tenant.deficit = 0

    def served(self) -> list[Bucket]:
        """Return the buckets that wait for their tenant's turn."""
        return [bucket for tenant in self._turns for bucket in tenant.buckets.values()]

    def plan(self, most: int, credit: Credit, on_in_work: OnInWork) -> list[Claim]:
        """Divide up to `most` claims among the buckets; each stands in the plan once.

        `credit` is what is left of it, and changes with the calls of `on_in_work`.
        """
        shares: dict[Bucket, int] = {}

        def take(bucket: Bucket, limit: int) -> int:
            expected = max(bucket.expected, 1) - shares.get(bucket, 0)
            count = min(limit, expected) and max(0, min(limit, expected, credit(bucket)))
            if count:
                shares[bucket] = shares.get(bucket, 0) + count
                on_in_work(bucket.id, count)
            return count

        for bucket in self._urgent.values():
            most -= take(bucket, most)
        in_vain = 0
        while most and in_vain < len(self._turns):
            tenant = self._turns[0]
            if not tenant.deficit:
                tenant.deficit = QUANTUM * tenant.weight
            before = most
            for bucket in sorted(tenant.buckets.values(), key=_position):
                count = take(bucket, min(most, tenant.deficit))
                most -= count
                tenant.deficit -= count
            in_vain = 0 if most < before else in_vain + 1
            if most:  # its turn is over; else it goes on with the next plan
                tenant.deficit = 0
            if not tenant.deficit:
                self._turns.rotate(-1)
        for bucket, count in shares.items():
            bucket.expected -= count
        return [Claim(bucket, count, bucket.changes) for bucket, count in shares.items()]


@dataclass(slots=True)
class Buckets:
    """The buckets that a worker knows."""

    on_in_work: OnInWork = ignore_in_work
    _rounds: Rounds = field(default_factory=Rounds)
    _held: Counter[int] = field(default_factory=Counter)
    """By bucket: jobs that are claimed, or may be by a claim on its way, and have no outcome."""
    _known: dict[int, Bucket] = field(default_factory=dict)
    _tenants: dict[UUID, Tenant] = field(default_factory=dict)

    def serve(self, rows: Iterable[BucketRow]) -> None:
        """Serve buckets that were not known, or were held."""
        for row in rows:
            tenant = self._tenants.setdefault(row.tenant_id, Tenant(row.tenant_id, row.weight))
            tenant.weight = row.weight
            if row.id not in self._known:
                self._known[row.id] = Bucket(row.id, tenant, row.name, row.urgent)
            self._rounds.add(self._known[row.id])

    def arrived(self, arrivals: Iterable[Arrival]) -> list[int]:
        """Serve buckets that have got jobs; return the ids of those that must be read."""
        unknown = []
        for arrival in arrivals:
            bucket = self._known.get(arrival.bucket_id)
            if bucket is not None and arrival.is_changed:
                self.forget([bucket])
            if bucket is None or arrival.is_changed:
                unknown.append(arrival.bucket_id)
                continue
            bucket.position = min(bucket.position, arrival.position)
            bucket.expected += max(arrival.jobs, 1)
            bucket.changes += 1
            self._rounds.add(bucket)
        return unknown

    def plan(self, most: int, credit: Credit) -> list[Claim]:
        """Divide up to `most` claims among the buckets that are served."""

        def left(bucket: Bucket) -> int:
            return credit(bucket) - self._held[bucket.id]

        return self._rounds.plan(most, left, self._hold)

    def claimed(
        self, claims: Sequence[Claim], found: Sequence[Position], owners: Sequence[int]
    ) -> None:
        """Take note of what claims found: positions of jobs, and the buckets that they are of."""
        got = Counter(owners)
        last = dict(zip(owners, found, strict=True))  # in ascending order: the last one stays
        for claim in claims:
            bucket = claim.bucket
            count = got[bucket.id]
            self._hold(bucket.id, count - claim.most)
            bucket.dry = 0 if count else bucket.dry + 1
            if bucket.changes != claim.changes:
                continue
            if count:
                bucket.position = max(bucket.position, last[bucket.id])
            if count < claim.most:
                bucket.expected = 0
                self._rounds.remove(bucket)
            else:
                bucket.expected = max(bucket.expected, GUESS)

    def failed(self, claims: Iterable[Claim]) -> None:
        """Take note of claims whose answer was lost: their buckets are read from the beginning."""
        for claim in claims:
            self._hold(claim.bucket.id, -claim.most)
            self.reset(claim.bucket)

    def hold(self, bucket_id: int) -> None:
        """Take note of a job that was claimed by an earlier worker."""
        self._hold(bucket_id, 1)

    def ended(self, bucket_id: int) -> None:
        """Take note of an outcome."""
        self._hold(bucket_id, -1)

    def _hold(self, bucket_id: int, jobs: int) -> None:
        self._held[bucket_id] += jobs
        if not self._held[bucket_id]:
            del self._held[bucket_id]
        self.on_in_work(bucket_id, jobs)

    def reset(self, bucket: Bucket) -> None:
        """Read a bucket from the beginning."""
        bucket.position = START
        bucket.expected = GUESS
        bucket.changes += 1
        if bucket.id in self._known:
            self._rounds.add(bucket)

    def reset_all(self) -> None:
        """Read all known buckets from the beginning."""
        for bucket in self._known.values():
            self.reset(bucket)

    def dry(self) -> list[Bucket]:
        """Return the buckets that have had no job for long; counts as a look."""
        idle = [b for b in self._known.values() if b.id not in b.tenant.buckets and not b.expected]
        for bucket in idle:
            bucket.dry += 1
        return [bucket for bucket in idle if bucket.dry > DRY]

    def forget(self, buckets: Iterable[Bucket]) -> None:
        """Serve buckets no longer, and know nothing of them."""
        for bucket in buckets:
            self._rounds.remove(bucket)
            self._known.pop(bucket.id, None)

    def served(self) -> set[int]:
        """Return the ids of the buckets that have more jobs than were claimed."""
        return {bucket.id for bucket in self._rounds.served()}

    def of_slots(self, slots: Collection[int]) -> list[Bucket]:
        """Return the buckets of some slots."""
        return [bucket for bucket in self._known.values() if bucket.tenant.slot in slots]


def _position(bucket: Bucket) -> Position:
    return bucket.position
