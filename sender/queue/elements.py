"""The three lists in Redis, and what is in them: ids of jobs with the token of their claim."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

NORMAL = "queue:email-sending"
HIGH = f"{NORMAL}:high"
LOW = f"{NORMAL}:low"
ORDER = (HIGH, NORMAL, LOW)
LARGEST = 50
"""Jobs of one element."""
FORM = re.compile(rb"[0-7]?[0-9a-f]{1,15}:[0-9a-f]{32}(?:,[0-9a-f]{32}){0,%d}" % (LARGEST - 1))


@dataclass(frozen=True, slots=True)
class Element:
    """Jobs that were claimed under one token, and wait for a worker to take them."""

    token: int
    ids: tuple[UUID, ...]

    def __bytes__(self) -> bytes:
        """Return the form in Redis."""
        return f"{self.token:x}:{','.join(id_.hex for id_ in self.ids)}".encode()

    @classmethod
    def read(cls, raw: bytes) -> Element | None:
        """Read the form in Redis; None for anything else."""
        if not FORM.fullmatch(raw):
            return None
        token, _, ids = raw.decode().partition(":")
        return cls(int(token, 16), tuple(UUID(hex=id_) for id_ in ids.split(",")))
