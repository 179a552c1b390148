"""What this process knows of the tenants that it serves, and what it lets be claimed.

Memory of what is in the database (`sender.dispatch.changes` keeps it true). It decides what is
claimed; what may leave is decided again in the transaction of the intent.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import nlargest
from uuid import UUID

from sender.directory import SendingAddress, SendingDomain
from sender.dispatch.sharing import Shared, Shares
from sender.dispatch.store import DatabaseClock
from sender.footer import Footer
from sender.live import LiveBucket
from sender.policy import buckets
from sender.policy.model import Credit, HandOver, Hold, Kind, Subject
from sender.policy.names import BucketName
from sender.policy.snapshots import Resolved, Standing
from sender.policy.spreading import BURST, Pace
from sender.queue import Bucket
from sender.schemas import OutgoingMessage, Stop
from sender.smtp import Rest
from sender.stops import Mail

KEPT = 5000
"""Tenants that are remembered."""
REMEMBERED = 10_000
"""Buckets and paces above which old ones are forgotten."""
RESOLVED = 100_000
"""Recipients' domains, all of which are forgotten above it."""
VALID = 3.0
"""Seconds for which a decision is not made again, unless all of it is used."""
MINUTE = 60
FORGOTTEN_AFTER = 60.0
"""Seconds after which a bucket without jobs in work is forgotten."""
DAY = timedelta(days=1)
Key = tuple[UUID, str]
"""Tenant and name of a bucket."""


@dataclass
class Tenant:
    """A tenant as the directory has it."""

    id: UUID
    revision: int | None
    standing: Standing
    read_at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Route:
    """How the mail of a bucket leaves now."""

    bucket: str
    """Its name."""
    mailbox: str
    """That it counts as."""
    address: SendingAddress
    domain: SendingDomain
    provider: str
    footer: Footer | None
    """Of campaign mail."""
    takes: str
    """What each hand-over takes of the caps: a `HandOver`, as it is written."""
    homely: tuple[str, ...] | None
    """Names of the addresses that can be homes, if this one becomes the home of From domain and
    provider."""


@dataclass(slots=True, eq=False)
class Known:
    """A bucket that this process claims from, or hands over mail of that others have claimed."""

    key: Key
    name: BucketName
    shared: Shared
    """Its jobs in work, and what it shares with other buckets."""
    ip: str | None = None
    """Of the address that its jobs in work are for."""
    answered: int = 0
    """Jobs in work that the address has nothing to do with any more: their outcomes are written."""
    tenant: Tenant | None = None
    """As of the last decision."""
    credit: Credit | None = None
    route: Route | None = None
    """With the credit, if there is any."""
    rate: float | None = None
    """Mails a second of the tenant's hours, as last decided; None: they are not spread."""
    decided_at: float = 0.0
    valid_until: float = 0.0

    @property
    def in_work(self) -> int:
        """Return how many jobs are in work."""
        return self.shared.claimed + self.shared.begun

    @property
    def at_address(self) -> int:
        """Return how many of them the address still has to do with."""
        return self.in_work - self.answered


@dataclass
class Tenants:
    """The tenants of the slots that the worker has."""

    clock: DatabaseClock
    capacity: Callable[[SendingAddress], int]
    """How many jobs an address takes at the same time; 0 while it is paused after a failure."""
    obstacle: Callable[[], Credit | None] = lambda: None
    """Why no mail at all can be written; None: it can."""
    burst: int = BURST
    rest: Callable[[SendingAddress], Rest | None] = lambda _: None
    """Why an address is paused after a failure; None: it is not."""
    known: OrderedDict[UUID, Tenant] = field(default_factory=OrderedDict)
    resolved: dict[str, Resolved] = field(default_factory=dict)
    """By recipients' domain that a bucket is named by."""
    holds: dict[Subject, Hold] = field(default_factory=dict)
    """All that are active."""
    wanted: set[UUID] = field(default_factory=set)
    """Tenants to read."""
    changed: set[UUID] = field(default_factory=set)
    """Tenants to read before anything is decided about them."""
    undecided: set[Key] = field(default_factory=set)
    """Buckets that are held unless what the database says now lets them go on."""
    rechecked: set[UUID] = field(default_factory=set)
    """Tenants whose held buckets may go on: something changed, or was given back."""
    wake: Callable[[], None] = lambda: None
    """Looks at these sets now."""
    monotonic: Callable[[], float] = time.monotonic
    _buckets: dict[int, Known] = field(default_factory=dict)
    _in_work: Counter[int] = field(default_factory=Counter)
    """Jobs in work of buckets that are not known."""
    _paces: dict[tuple[UUID, str, str], Pace] = field(default_factory=dict)
    """By mailbox and provider."""
    _at_address: Counter[str] = field(default_factory=Counter)
    _shares: Shares = field(default_factory=Shares)

    # What is claimed

    def credit(self, bucket: Bucket) -> int:
        """Return how many jobs of a bucket may be in work."""
        known = self._buckets.get(bucket.id)
        if known is None:
            known = self.learn(bucket.id, (bucket.tenant.id, bucket.name))
        if self.undecided and known.key in self.undecided:
            return 0
        if self._current(known) is None:
            self.wanted.add(bucket.tenant.id)
            self.wake()
            return 0
        if known.route is None:
            self.reconsider(known.key)
            return 0
        address = known.route.address
        self._place(known, address.ip)
        room = self.capacity(address) - self._at_address.get(address.ip, 0)
        return min(known.shared.free, room + known.in_work) if room > 0 else 0

    def knows(self, bucket_id: int) -> bool:
        """Return whether a bucket and its tenant are known."""
        known = self._buckets.get(bucket_id)
        return known is not None and known.key[0] in self.known

    def learn(self, bucket_id: int, key: Key) -> Known:
        """Know a bucket from now on, with its jobs that are in work already."""
        shared = Shared(self._in_work.pop(bucket_id, 0))
        known = self._buckets[bucket_id] = Known(key, BucketName.parse(key[1]), shared)
        return known

    def route(self, bucket_id: int) -> Route | None:
        """Return how a claimed job of a bucket leaves now; None: it does not."""
        known = self._buckets.get(bucket_id)
        if known is None:
            return None
        if self._current(known) is None or known.route is None:
            self.reconsider(known.key)
            return None
        return known.route

    def stop_of(self, bucket_id: int, message: OutgoingMessage) -> Stop | None:
        """Return the widest stop of a claimed message."""
        known = self._buckets.get(bucket_id)
        tenant = None if known is None else self.known.get(known.key[0])
        if known is None or tenant is None:
            return None
        standing = tenant.standing
        if not standing.stops:
            return None
        mail = Mail.of(
            message,
            mailbox=standing.mailbox_name(known.name),
            provider=standing.provider(known.name),
        )
        return next(filter(mail.is_held_by, standing.stops), None)

    def apart(self, bucket_id: int, message: OutgoingMessage) -> str:
        """Return the bucket of a message whose campaign or queue is stopped."""
        return str(self._buckets[bucket_id].name.apart(message.queue, message.campaign))

    def decide(self, key: Key) -> Credit:
        """Return the credit of a bucket of a tenant that is known."""
        return self._decide(self.known[key[0]], BucketName.parse(key[1]), self.clock.now())

    def on_in_work(self, bucket_id: int, jobs: int) -> None:
        """Take note of jobs of a bucket that are in work, or no longer."""
        known = self._buckets.get(bucket_id)
        if known is None:  # jobs of other senders, or outcomes that an earlier process has left
            self._in_work[bucket_id] += jobs
            if not self._in_work[bucket_id]:
                del self._in_work[bucket_id]
            return
        known.shared.in_work(jobs)
        written = min(max(-jobs, 0), known.answered)
        known.answered -= written
        if known.ip is not None:
            self._at_address[known.ip] += jobs + written
            if not known.in_work:
                self._place(known, None)

    def hold(self, hold: Hold) -> None:
        """Take note of a hold before it is read."""
        self.holds[hold.subject] = hold
        for known in self._buckets.values():
            known.credit = None

    def reconsider(self, key: Key) -> None:
        """Claim nothing of a bucket before it is decided about again, or held."""
        self.undecided.add(key)
        self.wake()

    def reconsider_bucket(self, bucket_id: int) -> None:
        """Claim nothing of a bucket that is known by its jobs in work."""
        known = self._buckets[bucket_id]
        known.credit = None
        self.reconsider(known.key)

    def _current(self, known: Known) -> Credit | None:
        """Return the credit of a bucket, decided lately or now."""
        tenant = self.known.get(known.key[0])
        if tenant is None:
            return None
        now = self.monotonic()
        is_valid = known.tenant is tenant and now < known.valid_until
        if known.credit is not None and is_valid and known.shared.left > 0:
            return known.credit
        at = self.clock.now()
        known.credit = found = self._decide(tenant, known.name, at)
        known.route = _route(tenant.standing, known, found, at)
        known.tenant, known.decided_at = tenant, now
        known.shared.move(self._shares.of(found, _pace_key(tenant, known.name)))
        known.valid_until = now + min(VALID, _left_of_minute(at))
        known.rate = known.rate if found.rate is None else found.rate
        return found

    def _decide(self, tenant: Tenant, name: BucketName, now: datetime) -> Credit:
        pace = self._paces.get(_pace_key(tenant, name))
        snapshot = tenant.standing.bucket(name, now, pace=pace)
        found = buckets.credit(snapshot)
        if found.settles_home and found.egress is not None:
            tenant.standing.expect_home(name, found.egress.name)
        return (self.obstacle() or found) if found.count else found

    def resting(self, address: SendingAddress) -> Hold | None:
        """Return the hold of an address that is paused after a failure."""
        rest = self.rest(address)
        if rest is None:
            return None
        until = self.clock.now() + timedelta(seconds=rest.seconds)
        return Hold(Subject(Kind.ADDRESS, address.ip), rest.reason, rest.words, until)

    def _place(self, known: Known, ip: str | None) -> None:
        if known.ip == ip:
            return
        if known.ip is not None:
            self._at_address[known.ip] -= known.at_address
            if not self._at_address[known.ip]:
                del self._at_address[known.ip]
        if ip is not None:
            self._at_address[ip] += known.at_address
        known.ip = ip

    def shown(self, most: int) -> tuple[LiveBucket, ...]:
        """Return how mail of buckets is sent, for people: of those in work, or decided last."""
        every = self._buckets.values()
        first = nlargest(most, every, key=lambda one: (one.in_work, one.decided_at))
        return tuple(
            LiveBucket(
                tenant_id=one.key[0],
                name=one.key[1],
                ip=one.ip,
                in_work=one.in_work,
                per_hour=None if one.rate is None else round(one.rate * 3600, 2),
            )
            for one in first
        )

    # What is handed over

    def admitted(self, bucket_ids: Iterable[int]) -> None:
        """Take note of hand-overs that begin, each by its bucket."""
        for bucket_id, count in Counter(bucket_ids).items():
            known = self._buckets.get(bucket_id)
            if known is not None:
                known.shared.begin(count)
                self._pass(known, count)

    def answered(self, bucket_id: int) -> None:
        """Take note of a job in work that leaves its place at the address to another one."""
        known = self._buckets.get(bucket_id)
        if known is not None and known.at_address > 0:
            known.answered += 1
            if known.ip is not None:
                self._at_address[known.ip] -= 1

    def ended_elsewhere(self, bucket_id: int) -> None:
        """Take note of a job that was claimed here and handled by another sender.

        It counts as handed over: where it was not, others only wait a little longer.
        """
        self.admitted([bucket_id])

    def given_back(self, bucket_id: int, tenant_id: UUID, hand_over: HandOver) -> None:
        """Take note of a hand-over that our host refused."""
        self.not_counted(tenant_id, hand_over)
        known = self._buckets.get(bucket_id)
        if known is not None:
            known.shared.give_back()
            self._pass(known, -1)
            known.credit = None
        self.rechecked.add(tenant_id)
        self.wake()

    def counted(
        self, used: Mapping[Subject, tuple[int, int]], owners: Mapping[Subject, UUID]
    ) -> None:
        """Take note of what subjects have sent in this day and hour."""
        for subject, (in_day, in_hour) in used.items():
            tenant = self.known.get(owners[subject])
            if tenant is not None:
                tenant.standing.note(subject, in_day, in_hour)

    def not_counted(self, tenant_id: UUID, hand_over: HandOver) -> None:
        """Take note of a hand-over whose places were given back."""
        tenant = self.known.get(tenant_id)
        if tenant is not None:
            for place in hand_over.places:
                tenant.standing.give_back(place.subject, hand_over.at)

    def settled(self, tenant_id: UUID, domain: str, provider: str, address: str) -> None:
        """Take note of the home of a From domain and provider."""
        if tenant_id in self.known:
            self.known[tenant_id].standing.settled(domain, provider, address)

    def _pass(self, known: Known, count: int) -> None:
        """Take mails from what a bucket has saved."""
        tenant = known.tenant
        if known.rate is None or tenant is None or tenant.standing.hours is None:
            return
        now, key = self.clock.now(), _pace_key(tenant, known.name)
        pace = self._paces.get(key) or Pace.idle(now, self.burst)
        self._paces[key] = pace.taken(count, known.rate, tenant.standing.hours, now)

    # Memory

    def forget(self) -> None:
        """Keep memory small."""
        while len(self.known) > KEPT:
            self.known.popitem(last=False)
        if len(self._buckets) > REMEMBERED:
            before = self.monotonic() - FORGOTTEN_AFTER
            self._buckets = {
                id_: one
                for id_, one in self._buckets.items()
                if one.in_work or one.decided_at > before
            }
        if len(self.resolved) > RESOLVED:
            self.resolved.clear()
        if len(self._paces) > REMEMBERED:
            yesterday = self.clock.now() - DAY
            self._paces = {key: pace for key, pace in self._paces.items() if pace.at > yesterday}


def _route(standing: Standing, known: Known, found: Credit, at: datetime) -> Route | None:
    """Return how the mail of a bucket leaves with a credit that was found at a moment."""
    if found.egress is None:
        return None
    name = known.name
    return Route(
        bucket=known.key[1],
        mailbox=standing.mailbox_name(name),
        address=standing.addresses[found.egress.name],
        domain=standing.domains[name.domain],
        provider=standing.provider(name) or "",
        footer=None if name.is_transactional else standing.footer,
        takes=found.hand_over(at).written(),
        homely=standing.homely if found.settles_home else None,
    )


def _left_of_minute(now: datetime) -> float:
    """Return the seconds after which a day, an hour, or the tenant's sending hours may end."""
    return MINUTE - now.second - now.microsecond / 1_000_000


def _pace_key(tenant: Tenant, name: BucketName) -> tuple[UUID, str, str]:
    return tenant.id, tenant.standing.mailbox_name(name), tenant.standing.provider(name) or ""
