"""What buckets share: the caps of mailbox, domain and address, and the burst of a mailbox.

A credit is decided by what has left, or has begun to leave. What other buckets have claimed since
is in no counter before its intent, so it is kept free for them here.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import NamedTuple
from weakref import WeakValueDictionary

from sender.policy.model import Credit


@dataclass(slots=True, weakref_slot=True, eq=False)
class Share:
    """One cap, or what a mailbox has saved at a provider."""

    claimed: int = 0
    """Jobs in work, of all buckets, that have not begun."""
    taken: int = 0
    """Hand-overs that have begun, without those that were given back."""


class Part(NamedTuple):
    """A share, as a bucket's credit was decided by it."""

    share: Share
    end: int
    """What is taken of the share when nothing is left."""


@dataclass(slots=True, eq=False)
class Shared:
    """What one bucket has of its shares."""

    claimed: int = 0
    """Jobs in work that have not begun."""
    begun: int = 0
    parts: tuple[Part, ...] = ()

    @property
    def left(self) -> int:
        """Return what all buckets together may still begin."""
        return min([end - share.taken for share, end in self.parts], default=0)

    @property
    def free(self) -> int:
        """Return what is left for this bucket: without what others have claimed."""
        others = [end - share.taken - share.claimed for share, end in self.parts]
        return min(others, default=0) + self.claimed

    def move(self, parts: tuple[Part, ...]) -> None:
        """Have parts of these shares from now on."""
        claimed = self.claimed
        self._claim(-claimed)
        self.parts = parts
        self._claim(claimed)

    def in_work(self, jobs: int) -> None:
        """Take note of jobs that are in work, or no longer: of those that have begun, if any."""
        ended = min(max(-jobs, 0), self.begun)
        self.begun -= ended
        self._claim(jobs + ended)

    def begin(self, count: int) -> None:
        """Take note of hand-overs that begin; also of those of others, which were not claimed."""
        for share, _ in self.parts:
            share.taken += count
        known = min(count, self.claimed)
        self.begun += known
        self._claim(-known)

    def give_back(self) -> None:
        """Take note of a hand-over that was in vain."""
        for share, _ in self.parts:
            share.taken -= 1

    def _claim(self, count: int) -> None:
        self.claimed += count
        for share, _ in self.parts:
            share.claimed += count


@dataclass(slots=True)
class Shares:
    """The shares of the buckets that are known; one that no bucket has is forgotten."""

    _known: WeakValueDictionary[Hashable, Share] = field(default_factory=WeakValueDictionary)

    def of(self, credit: Credit, burst: Hashable) -> tuple[Part, ...]:
        """Return what a credit depends on; `burst` says whose burst it is."""
        lefts: list[tuple[Hashable, int]] = [(c.subject, c.left_in_hour) for c in credit.caps]
        if credit.saved is not None:
            lefts.append((burst, credit.saved))
        return tuple(self._part(key, left) for key, left in lefts)

    def _part(self, key: Hashable, left: int) -> Part:
        share = self._known.get(key)
        if share is None:
            share = self._known[key] = Share()
        return Part(share, share.taken + left)
