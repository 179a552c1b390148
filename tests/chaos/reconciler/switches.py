"""What protects money, switched off one at a time, to see that the auditor would notice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import text

from controlplane.pulumi import engine
from controlplane.reconciler.sweep import Sweep
from controlplane.schedule import repository as schedule
from hostwinds.journal.fence import Fence
from hostwinds.journal.port import Intent
from hostwinds.journal.postgres import PostgresJournal


class Without(StrEnum):
    """What is switched off, in the processes of a run alone."""

    NOTHING = ""
    INTENT = "intent"
    """An order is not recorded before it is sent."""
    FENCE = "fence"
    """An operation of an earlier holder of the lease goes on."""
    LEASE = "lease"
    """A tenant that one reconciler works on is taken by others, too."""
    SWEEP = "sweep"
    """Nothing looks at what happens at the provider between two passes."""


def switch_off(what: Without) -> None:
    """Switch it off in this process and its children."""
    match what:
        case Without.INTENT:
            _replace(PostgresJournal, "find", _finds_nothing)
            _replace(PostgresJournal, "open", _opens_nothing)
        case Without.FENCE:
            _replace(Fence, "held", _holds_nothing)
            _replace(engine, "raise_fence", lambda *_: {})
        case Without.LEASE:
            _replace(schedule.SQL, "claim", text(_without_leases(schedule.SQL.claim.text)))
        case Without.SWEEP:
            _replace(Sweep, "look", _looks_at_nothing)


def _replace(owner: object, name: str, value: object) -> None:
    assert hasattr(owner, name), f"{owner} has no {name}"
    setattr(owner, name, value)


def _finds_nothing(journal: PostgresJournal, key: str) -> None:
    del journal, key


def _opens_nothing(journal: PostgresJournal, key: str, **_: Any) -> tuple[Intent, bool]:
    del journal
    return Intent(key, datetime.now(UTC)), True


@contextmanager
def _holds_nothing(fence: Fence) -> Iterator[None]:
    del fence
    yield


def _without_leases(statement: str) -> str:
    condition = "and (lease_until is null or lease_until < clock_timestamp())"
    assert condition in statement
    return statement.replace(condition, "")


async def _looks_at_nothing(sweep: Sweep) -> None:
    del sweep
