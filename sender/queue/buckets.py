"""What is served next: fair between tenants by weight, the most urgent first within a tenant.

A worker's memory of the buckets that have jobs; all of it can be read from the database again.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import structlog

QUANTUM = 10
"""Jobs for each unit of weight and turn."""
GUESS = 1000
"""Jobs that a bucket is believed to have of which nothing is known yet."""
DRY = 50
"""Claims or looks in vain after which a bucket is forgotten."""
AGAIN = 8
"""Buckets without credit that each plan asks again, besides those of which a job has ended."""
AT_ONCE = 1_000
"""Buckets without credit after which a plan is ended, so that the event loop goes on."""
LOOKS = 10
"""Looks for jobs after which each of them was asked again."""
log = structlog.get_logger(__name__)
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


Place = tuple[Position, int, Bucket]


@dataclass(slots=True, eq=False)
class Line:
    """Buckets in the order of their first jobs; one whose position changes is added again."""

    _places: dict[int, Place] = field(default_factory=dict)
    _heap: list[Place] = field(default_factory=list)
    """Also places that were left."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def add(self, bucket: Bucket) -> None:
        """Put a bucket in its place."""
        place = self._places.get(bucket.id)
        if place and place[0] == bucket.position:
            return
        place = self._places[bucket.id] = (bucket.position, next(self._numbers), bucket)
        heapq.heappush(self._heap, place)
        if len(self._heap) > 2 * len(self._places) + 100:
            self._heap = sorted(self._places.values())

    def remove(self, bucket: Bucket) -> None:
        """Remove a bucket if it is there."""
        self._places.pop(bucket.id, None)

    def pop(self) -> Bucket | None:
        """Remove and return the first bucket."""
        while self._heap:
            place = heapq.heappop(self._heap)
            bucket = place[2]
            if self._places.get(bucket.id) is place:
                del self._places[bucket.id]
                return bucket
        return None

    def __len__(self) -> int:
        """Count the buckets."""
        return len(self._places)


@dataclass(slots=True, eq=False)
class Tenant:
    """A tenant with buckets to serve."""

    id: UUID
    weight: int
    line: Line = field(default_factory=Line)
    deficit: int = 0
    has_turn: bool = False

    @property
    def slot(self) -> int:
        """Return the part of all tenants that it belongs to."""
        return self.id.bytes[15]


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


def unlimited(_bucket: Bucket) -> int:
    """Give every bucket credit."""
    return 1_000_000


def ignore_in_work(_bucket_id: int, _jobs: int) -> None:
    """Ignore it."""


@dataclass(slots=True)
class Rounds:
    """Deficit round robin over tenants; urgent buckets come before all.

    A plan costs by what it claims, not by the buckets that are served: those without credit wait
    aside, and so do those of which all expected jobs are claimed, until their claim is answered.
    """

    _turns: deque[Tenant] = field(default_factory=deque)
    _urgent: Line = field(default_factory=Line)
    _aside: OrderedDict[int, Bucket] = field(default_factory=OrderedDict)
    """Those without credit."""

    def add(self, bucket: Bucket) -> None:
        """Serve a bucket from now on."""
        self._aside.pop(bucket.id, None)
        self._line(bucket).add(bucket)
        if not (bucket.urgent or bucket.tenant.has_turn):
            bucket.tenant.has_turn = True
            self._turns.append(bucket.tenant)

    def remove(self, bucket: Bucket) -> None:
        """Serve a bucket no longer."""
        self._aside.pop(bucket.id, None)
        self._line(bucket).remove(bucket)

    def ask_again(self, most: int | None = None) -> None:
        """Ask buckets once more that had no credit, but not too many at once."""
        count = -(-len(self._aside) // LOOKS) if most is None else min(most, len(self._aside))
        for _ in range(count):
            self.add(self._aside.popitem(last=False)[1])

    def has_credit(self, bucket_id: int) -> None:
        """Ask a bucket again that had no credit."""
        if bucket_id in self._aside:
            self.add(self._aside[bucket_id])

    def plan(self, most: int, credit: Credit, on_in_work: OnInWork) -> list[Claim]:
        """Divide up to `most` claims among the buckets; each stands in the plan once.

        `credit` is what is left of it, and changes with the calls of `on_in_work`.
        """
        if most <= 0:
            return []
        self.ask_again(AGAIN)
        shares: dict[Bucket, int] = {}
        in_vain = 0

        def take(line: Line, limit: int) -> int:
            nonlocal in_vain
            left, visited = limit, []
            while left and in_vain < AT_ONCE and (bucket := line.pop()):
                count = min(left, bucket.expected, credit(bucket))
                if count <= 0:
                    self._aside[bucket.id] = bucket
                    in_vain += 1
                    continue
                shares[bucket] = shares.get(bucket, 0) + count
                bucket.expected -= count
                left -= count
                on_in_work(bucket.id, count)
                if bucket.expected:
                    visited.append(bucket)
            for bucket in visited:
                line.add(bucket)
            return limit - left

        most -= take(self._urgent, most)
        while most and in_vain < AT_ONCE and self._turns:
            tenant = self._turns[0]
            if not tenant.deficit:
                tenant.deficit = QUANTUM * tenant.weight
            count = take(tenant.line, min(most, tenant.deficit))
            most -= count
            tenant.deficit -= count
            if most:  # its turn is over; else it goes on with the next plan
                tenant.deficit = 0
            if not tenant.line:
                tenant.deficit = 0
                tenant.has_turn = False
                self._turns.popleft()
            elif not tenant.deficit:
                self._turns.rotate(-1)
        return [Claim(bucket, count, bucket.changes) for bucket, count in shares.items()]

    def _line(self, bucket: Bucket) -> Line:
        return self._urgent if bucket.urgent else bucket.tenant.line


@dataclass(slots=True)
class Buckets:
    """The buckets that a worker knows."""

    on_in_work: OnInWork = ignore_in_work
    _rounds: Rounds = field(default_factory=Rounds)
    _held: Counter[int] = field(default_factory=Counter)
    """By bucket: jobs that are claimed, or may be by a claim on its way, and have no outcome."""
    _known: dict[int, Bucket] = field(default_factory=dict)
    _tenants: dict[UUID, Tenant] = field(default_factory=dict)
    _idle: dict[int, Bucket] = field(default_factory=dict)
    """Those that had no job at the last look."""

    def serve(self, rows: Iterable[BucketRow]) -> None:
        """Serve buckets that were not known, or were held."""
        for row in rows:
            tenant = self._tenants.setdefault(row.tenant_id, Tenant(row.tenant_id, row.weight))
            tenant.weight = row.weight
            if row.id not in self._known:
                self._known[row.id] = Bucket(row.id, tenant, row.name, row.urgent)
            self._serve(self._known[row.id], at_least=1)

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
            self._serve(bucket)
        return unknown

    def plan(self, most: int, credit: Credit) -> list[Claim]:
        """Divide up to `most` claims among the buckets that are served."""

        has_failed = False

        def left(bucket: Bucket) -> int:
            nonlocal has_failed
            try:
                return 0 if has_failed else credit(bucket) - self._held.get(bucket.id, 0)
            except Exception:  # of the user's function: said once, not for each bucket
                log.exception("queue.credit_failed", bucket=bucket.id)
                has_failed = True
                return 0

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
                self._idle[bucket.id] = bucket
            else:
                self._serve(bucket, at_least=GUESS)

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
        self._rounds.has_credit(bucket_id)

    def may_have_credit(self, bucket_id: int) -> None:
        """Take note of an outcome that is being written: a credit may know of it already."""
        self._rounds.has_credit(bucket_id)

    def ask_again(self) -> None:
        """Ask some of the buckets again that had no credit: all of them within a few calls."""
        self._rounds.ask_again()

    def _serve(self, bucket: Bucket, at_least: int = 0) -> None:
        bucket.expected = max(bucket.expected, at_least)
        if self._known.get(bucket.id) is bucket:
            self._idle.pop(bucket.id, None)
            self._rounds.add(bucket)

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
        self._serve(bucket)

    def reset_all(self) -> None:
        """Read all known buckets from the beginning."""
        for bucket in self._known.values():
            self.reset(bucket)

    def dry(self) -> list[Bucket]:
        """Return the buckets that have had no job for long; counts as a look."""
        for bucket in self._idle.values():
            bucket.dry += 1
        return [bucket for bucket in self._idle.values() if bucket.dry > DRY]

    def forget(self, buckets: Iterable[Bucket]) -> None:
        """Serve buckets no longer, and know nothing of them."""
        for bucket in buckets:
            bucket.changes += 1
            self._rounds.remove(bucket)
            self._idle.pop(bucket.id, None)
            self._known.pop(bucket.id, None)

    def served(self) -> set[int]:
        """Return the ids of the buckets that have more jobs than were claimed."""
        return self._known.keys() - self._idle.keys()

    def of_slots(self, slots: Collection[int]) -> list[Bucket]:
        """Return the buckets of some slots."""
        return [bucket for bucket in self._known.values() if bucket.tenant.slot in slots]
