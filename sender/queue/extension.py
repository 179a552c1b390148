"""A user's own statements in the transactions that write intents and outcomes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from sender.queue.model import Intent, Outcome, Result


@dataclass(frozen=True, slots=True)
class Batch:
    """What a transaction writes: what was fenced, or written before, is not in it."""

    intents: Sequence[Intent]
    results: Sequence[Result]
    """With the intent, if it was committed. Those that no handler gave, too, of lost workers and of
    jobs that expired: `unknown`, `dead` and `expired`, with neither bodies nor intents."""


Extension = Callable[[psycopg.AsyncConnection[Any], Batch], Awaitable[Mapping[UUID, Outcome]]]
"""Called in the transaction, once its intents and outcomes are written, before it is committed.

The connection is in pipeline mode: execute statements, then fetch. Several workers and exchanges do
this at the same time, so lock rows in one order, whatever they are locked for.

Returns the intents to refuse, by id of the job: `Attempt.begin` raises Refused with this outcome,
which the job gets unless its handler catches it. If the extension fails, nothing is committed.
"""
