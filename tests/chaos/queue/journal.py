"""What a sender did, written as it does it, so that it is known after it was killed."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Step(StrEnum):
    """What a line begins with."""

    OPENED = "+"
    """A hand-over."""
    CLOSED = "-"
    BEGINS = "B"
    """The intent of a job may be committed from here on."""
    WRITTEN = "W"
    """The outcome of a job is committed."""
    POINT = "P"
    """The process ends itself here."""
    CLAIM = "C"
    """An exchange that claimed: when it ended on the machine's clock, and seconds."""


class Journal:
    """Appends lines; they survive the process."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def add(self, step: Step, *words: object) -> None:
        """Write one line."""
        os.write(self._file, f"{' '.join((step, *map(str, words)))}\n".encode())


@dataclass
class Account:
    """A journal as far as it goes."""

    open: int = 0
    """Hand-overs."""
    doubtful: set[str] = field(default_factory=set)
    """Jobs whose intent may be committed, and whose outcome may not be."""
    written: int = 0
    """Outcomes that it saw committed."""
    point: str | None = None
    """None: it did not end itself."""
    claims: list[tuple[float, float]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Account:
        """Read what was written; nothing if the process came to no job."""
        account = cls()
        for line in path.read_text().splitlines() if path.exists() else ():
            step, *words = line.split()
            match Step(step):
                case Step.OPENED:
                    account.open += 1
                case Step.CLOSED:
                    account.open -= 1
                case Step.BEGINS:
                    account.doubtful.add(words[0])
                case Step.WRITTEN:
                    account.doubtful.discard(words[0])
                    account.written += 1
                case Step.POINT:
                    account.point = " ".join(words)
                case Step.CLAIM:
                    account.claims.append((float(words[0]), float(words[1])))
        return account
