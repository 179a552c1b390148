"""The interface of a purchase journal, with two implementations under one test suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Intent:
    """A purchase that was intended."""

    key: str
    """The name of an instance, or `address_key`."""
    opened_at: datetime
    outcome: str | None = None
    """Service id or address; None while it is not known."""


class Journal(Protocol):
    """Durable before it returns; safe between processes."""

    def open(self, key: str) -> tuple[Intent, bool]:
        """Write an intent, or return the existing one; the flag is True for a new one."""

    def find(self, key: str) -> Intent | None:
        """Return an intent."""

    def intents(self) -> list[Intent]:
        """List all intents, oldest first."""

    def waiting(self) -> list[Intent]:
        """List the intents without an outcome, oldest first."""

    def settle(self, key: str, outcome: str) -> None:
        """Write the outcome of an intent, also of one that was closed meanwhile."""

    def close(self, key: str) -> None:
        """Delete an intent that bought nothing, or whose purchase has ended; idempotent."""

    def adopt(self, group: str, key: str, candidates: Sequence[str]) -> str | None:
        """Assign a candidate that no other intent of the group has to an open intent `<group>/…`.

        Open intents take free candidates in the order of their keys, so that the lower name gets
        the earlier address. Returns None where none is free.
        """

    def adopted(self, group: str) -> list[str]:
        """List the outcomes of the settled intents of a group."""

    def raise_fence(self, name: str, token: int) -> None:
        """Refuse purchases for `name` under a lower token from now on."""

    def fence(self, name: str) -> int:
        """Return the highest token that was raised for `name`; 0 when none was."""


def address_key(service_id: int, name: str) -> str:
    """Return the key of an address of a service; `name` is unique among all that buy there."""
    return f"{service_id}/{name}"


def assigned(
    open_keys: Sequence[str], owned: Sequence[str], candidates: Sequence[str]
) -> dict[str, str]:
    """Return which open intent gets which free candidate."""
    free = [candidate for candidate in candidates if candidate not in owned]
    return dict(zip(sorted(open_keys), free, strict=False))
