"""The counters of a day and an hour: places of caps, taken with an intent, given back if unused.

`reserve` takes part in the transaction that writes the intents and outcomes. Call it once: the rows
of one call are locked in one order, those of two calls are not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sender.policy.database import SQL, Cursor
from sender.policy.model import HandOver, Place, Subject


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a hand-over has no place."""

    subject: Subject
    """Whose cap is used up."""
    is_stale: bool
    """The day of the cap is over: read it again."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """What came of a reservation."""

    refused: Mapping[UUID, Refusal]
    """Those that have no place, and must not begin."""
    used: Mapping[Subject, tuple[int, int]]
    """What the subjects have sent of this day's caps, with these: in the day and in the hour."""


async def reserve(
    cursor: Cursor, hand_overs: Mapping[UUID, HandOver], *, returned: Sequence[HandOver] = ()
) -> Reserved:
    """Take the places of hand-overs that begin; `returned` are given back first."""
    caps = _Caps()
    mails, places = [], []
    for number, one in enumerate(hand_overs.values()):
        for place in one.places:
            mails.append(number)
            places.append(caps.add(place, one.at.day))
    await cursor.execute(
        SQL.reserve, caps.values() | {"mails": mails, "caps": places} | _back(returned)
    )
    ids = list(hand_overs)
    refused, used = {}, {}
    for mail, cap, is_stale, *counts in await cursor.fetchall():
        if mail is None:
            used[caps.subject(cap)] = (counts[0], counts[1])
        else:
            refused[ids[mail]] = Refusal(caps.subject(cap), is_stale)
    return Reserved(refused, used)


class _Caps:
    """The caps of a batch; of two that were read at different times the lower one counts."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[Subject, date], int] = {}
        self._caps: list[Place] = []
        self._wanted: list[int] = []

    def add(self, place: Place, day: date) -> int:
        """Add the cap of a place and return its number, from 1."""
        number = self._numbers.setdefault((place.subject, day), len(self._caps))
        if number == len(self._caps):
            self._caps.append(place)
            self._wanted.append(0)
        elif (known := self._caps[number]) is not place:
            self._caps[number] = Place(
                place.subject,
                min(known.most, place.most),
                min(known.most_in_hour, place.most_in_hour),
                max(known.curve, place.curve),
            )
        self._wanted[number] += 1
        return number + 1

    def subject(self, number: int) -> Subject:
        """Return the subject of a number."""
        return self._caps[number - 1].subject

    def values(self) -> dict[str, Any]:
        """Return them as parameters."""
        return {
            "kinds": [subject.kind.value for subject, _ in self._numbers],
            "subjects": [subject.name for subject, _ in self._numbers],
            "days": [day for _, day in self._numbers],
            "most": [cap.most for cap in self._caps],
            "most_in_hour": [cap.most_in_hour for cap in self._caps],
            "curves": [cap.curve for cap in self._caps],
            "wanted": self._wanted,
        }


def _back(returned: Sequence[HandOver]) -> dict[str, Any]:
    counts = Counter((place.subject, one.at) for one in returned for place in one.places)
    return {
        "back_kinds": [subject.kind.value for subject, _ in counts],
        "back_subjects": [subject.name for subject, _ in counts],
        "back_days": [at.day for _, at in counts],
        "back_hours": [at.hour for _, at in counts],
        "back_counts": list(counts.values()),
    }
