"""What protects money, switched off one at a time, to see that the auditor would notice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from unittest.mock import patch

from sqlalchemy import text

from controlplane.pulumi import engine
from controlplane.pulumi.purchases import Untracked
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
    UNTRACKED = "untracked"
    """What an interrupted run bought, and neither state nor document has, is not ended."""
    FREEZE = "freeze"
    """Nothing asks whether operators have frozen orders or ends of servers."""


def switch_off(what: Without) -> None:
    """Switch it off in this process and its children, for good."""
    for owner, name, value in _replaced(what):
        assert hasattr(owner, name), f"{owner} has no {name}"
        setattr(owner, name, value)


@contextmanager
def switched_off(what: Without) -> Iterator[None]:
    """Switch it off in this process during the block."""
    with ExitStack() as stack:
        for owner, name, value in _replaced(what):
            stack.enter_context(patch.object(owner, name, value))
        yield


def _replaced(what: Without) -> list[tuple[Any, str, object]]:
    """Return what is something else then: owner, name, value."""
    match what:
        case Without.INTENT:
            return [
                (PostgresJournal, "find", _finds_nothing),
                (PostgresJournal, "open", _opens_nothing),
            ]
        case Without.FENCE:
            return [
                (Fence, "held", _holds_nothing),
                (engine, "raise_fence", lambda *_: {}),
            ]
        case Without.LEASE:
            return [(schedule.SQL, "claim", text(_without_leases(schedule.SQL.claim.text)))]
        case Without.SWEEP:
            return [(Sweep, "look", _looks_at_nothing)]
        case Without.UNTRACKED:
            return [(Untracked, "end_unwanted", lambda *_: [])]
        case Without.FREEZE:
            return [(PostgresJournal, "frozen", lambda *_: None)]
        case Without.NOTHING:
            return []


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
