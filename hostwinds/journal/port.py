"""The interface of a purchase journal, with two implementations under one test suite."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Frozen(StrEnum):
    """What a person can freeze."""

    PURCHASES = "purchases"
    """No server is ordered."""
    DESTRUCTION = "destruction"
    """No server and no address is ended."""


@dataclass(frozen=True)
class Freeze:
    """Why nothing of a kind is done, for all tenants."""

    what: Frozen
    reason: str
    actor: str
    """Who froze it."""
    since: datetime


PLATFORM = "platform"
"""The scope of limits on all purchases."""
EACH_OWNER = "tenants"
"""The scope of limits on the purchases of each owner that has none of its own."""


@dataclass(frozen=True)
class Limit:
    """What servers may cost, and how many may be ordered; None: not limited."""

    scope: str
    """PLATFORM, EACH_OWNER, or an owner of intents."""
    monthly_cents: int | None = None
    orders_a_day: int | None = None


@dataclass(frozen=True)
class Intent:
    """One row of the ledger: a purchase that was agreed to, intended, made, or ended."""

    key: str
    """The name of an instance, or `address_key`."""
    opened_at: datetime
    """When it was ordered; until then, when its price was agreed to."""
    outcome: str | None = None
    """Service id or address; None while it is not known."""
    ordered: bool = True
    agreed_cents: int | None = None
    """The price in US cents a month that somebody agreed to; None for an address."""
    ceiling_cents: int | None = None
    """The highest price at which it was ordered: the agreed one and the tolerance."""
    account: str = ""
    """The provider's number of the account that bought it; empty where it is not known."""
    answer: str = ""
    """What the provider said where the outcome of the order is not known."""
    closed_at: datetime | None = None
    owner: str = ""
    """For whom it is bought: `<installation>/<tenant>`; empty where it is not known."""
    ending_at: datetime | None = None
    """When the provider has accepted the end of the server, which may still be there."""


Permit = Callable[[Sequence[Intent], Sequence[Limit], datetime], None]
"""Takes the ledger, all limits and the time; raises a fault where an order is not permitted."""


class Journal(Protocol):
    """Durable before it returns; safe between processes. Rows are closed, and never deleted.

    A key has at most one row that is not closed: all methods but `ledger` see that one only.
    """

    def identity(self) -> str:
        """Return the id of this journal, the same for all that share it."""

    def now(self) -> datetime:
        """Return the time by the clock that dates its rows."""

    def replace(self, identity: str) -> None:
        """Take the id of a journal that is lost."""

    def require_bound(self) -> None:
        """Raise DATABASE_RESTORED where what was bought and ended since may not be known here."""

    def bind(self) -> None:
        """Go on with the database as it is: what was bought and ended since is written."""

    def unbind(self, why: str) -> None:
        """Let `require_bound` raise until it is bound again: something that it does not know shows
        that its database was set back."""

    def leave(self, service_ids: Collection[int]) -> None:
        """Write the numbers of servers that a recovery has left to a person."""

    def left(self) -> set[int]:
        """Return the numbers of such servers."""

    def bound_at(self) -> datetime | None:
        """Return when it was bound again after its database was restored; None: never."""

    def agree(self, key: str, cents: int, owner: str = "") -> int:
        """Write the price of a purchase that is not ordered yet; return the price agreed to.

        A lower price than an earlier one changes nothing, neither does one after the order. The
        owner is written where none is known, also after the order.
        """

    def agreed(self, key: str) -> int | None:
        """Return the price that was agreed to, None where nobody has."""

    def open(
        self, key: str, *, ceiling: int | None = None, permit: Permit | None = None
    ) -> tuple[Intent, bool]:
        """Write an intent to order, or return the existing one; the flag is True for a new one.

        Before a new one `permit` sees the whole ledger and the limits that operators of the
        control plane have set (`controlplane/limits`), one process at a time; what it raises
        prevents the intent. Raises DATABASE_RESTORED then.
        """

    def find(self, key: str) -> Intent | None:
        """Return an intent to order."""

    def intents(self) -> list[Intent]:
        """List all intents to order, oldest first."""

    def waiting(self) -> list[Intent]:
        """List the intents to order without an outcome, oldest first."""

    def ledger(self) -> list[Intent]:
        """List every row there ever was, oldest first."""

    def answer(self, key: str, text: str) -> None:
        """Write what the provider said about an order whose outcome is not known."""

    def settle(self, key: str, outcome: str, account: str = "") -> None:
        """Write the outcome of an intent, also of one that was closed meanwhile."""

    def begin_end(self, key: str) -> None:
        """Date that the provider has accepted the end of a server; the first date is kept."""

    def close(self, key: str) -> None:
        """Date the end of a row that bought nothing, or whose purchase has ended; idempotent."""

    def adopt(self, group: str, key: str, candidates: Sequence[str]) -> str | None:
        """Assign a candidate that no other intent has to an open intent `<group>/…`.

        Open intents take free candidates in the order of their keys, so that the lower name gets
        the earlier address. Returns None where none is free.
        """

    def adopted(self, group: str) -> list[str]:
        """List the outcomes of the settled intents of a group."""

    def frozen(self, what: Frozen) -> Freeze | None:
        """Return why nothing of a kind may begin now, None where it may.

        Only operators of the control plane write that (`controlplane/freezes`).
        """

    def raise_fence(self, name: str, token: int) -> None:
        """Refuse changes for `name` under a lower token from now on.

        Returns when no one holds the fence under a lower one any more; raises SUPERSEDED where a
        higher one was raised, DATABASE_RESTORED.
        """

    def fence(self, name: str) -> int:
        """Return the highest token that was raised for `name`; 0 when none was."""

    def hold(self, name: str, token: int) -> AbstractContextManager[Hold]:
        """Keep the fence of `name` from being raised during the block; raises SUPERSEDED,
        DATABASE_RESTORED."""


class Hold(Protocol):
    """A fence that is held."""

    def check(self) -> None:
        """Raise JOURNAL_UNAVAILABLE where it is not held any more."""


def address_key(service_id: int, name: str) -> str:
    """Return the key of an address of a service; `name` is unique among all that buy there."""
    return f"{service_id}/{name}"


def close_server(journal: Journal, name: str) -> None:
    """Close the row of a server, and those of its addresses, which end with it."""
    row = journal.find(name)
    if row is not None and row.outcome is not None:
        for intent in journal.intents():
            if intent.key.startswith(f"{row.outcome}/"):
                journal.close(intent.key)
    journal.close(name)


def is_ordered(key: str, rows: Sequence[Intent]) -> bool:
    """Return whether a ledger has an open intent to order of a key."""
    return any(row.key == key and row.ordered and row.closed_at is None for row in rows)


def assigned(
    open_keys: Sequence[str], owned: Sequence[str], candidates: Sequence[str]
) -> dict[str, str]:
    """Return which open intent gets which free candidate."""
    free = [candidate for candidate in candidates if candidate not in owned]
    return dict(zip(sorted(open_keys), free, strict=False))
