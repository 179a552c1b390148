"""What a purchase journal does; two adapters keep it, one suite of tests holds both to this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Intent:
    """One thing that we meant to buy."""

    key: str
    """The name of an instance, or `address_key`."""
    opened_at: datetime
    outcome: str | None = None
    """Service id or address once it was seen; None while nobody knows."""


class Journal(Protocol):
    """Durable before it returns; safe between processes."""

    def open(self, key: str) -> tuple[Intent, bool]:
        """Write an intent, or return the one that stands; the flag tells whether it is new."""

    def find(self, key: str) -> Intent | None:
        """Return an intent."""

    def intents(self) -> list[Intent]:
        """List all intents, oldest first."""

    def waiting(self) -> list[Intent]:
        """List the intents without an outcome, oldest first: what a person may have to do."""

    def settle(self, key: str, outcome: str) -> None:
        """Write what came of an intent, also of one that was closed meanwhile."""

    def close(self, key: str) -> None:
        """Forget an intent: it came to nothing for certain, or the thing is gone. Twice is fine."""

    def adopt(self, group: str, key: str, candidates: Sequence[str]) -> str | None:
        """Give an open intent `<group>/…` one candidate that no other of its group owns.

        Open intents take free candidates in the order of their keys, so that the lower name gets
        the earlier address. Returns None when it must go on waiting.
        """

    def adopted(self, group: str) -> list[str]:
        """List what the settled intents of a group own."""

    def raise_fence(self, name: str, token: int) -> None:
        """Let nobody with a lower token buy for `name` any more."""

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
