"""In which buckets jobs may have waited for long."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

AT_ONCE = 200
"""Buckets that are looked at together, so that a look costs the same however many there are."""


@dataclass(slots=True)
class Ageing:
    """Buckets that have had jobs at every look, which take turns."""

    _since: dict[int, float] = field(default_factory=dict)
    _turn: int = 0

    def next(self, served: Collection[int], now: float, after: float) -> Sequence[int]:
        """Return some of the buckets that have been served for so many seconds."""
        self._since = {id_: self._since.get(id_, now) for id_ in served}
        old = [id_ for id_, since in self._since.items() if since <= now - after]
        if len(old) <= AT_ONCE:
            return old
        first = self._turn % len(old)
        self._turn = first + AT_ONCE
        return (old[first:] + old[:first])[:AT_ONCE]
