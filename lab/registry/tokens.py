"""Tokens of the registry: each lets its holder read one repository, for some minutes."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable

SECONDS = 300.0
SCOPE = re.compile(r"repository:(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*):pull")
"""The only thing that is given to clients without an account."""


class Tokens:
    """The tokens that are in force."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._repositories: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def issue(self, repository: str) -> str:
        """Return a new token for a repository."""
        token, now = secrets.token_urlsafe(24), self._clock()
        with self._lock:
            for old in [one for one, (_, end) in self._repositories.items() if end <= now]:
                del self._repositories[old]
            self._repositories[token] = (repository, now + SECONDS)
        return token

    def repository_of(self, token: str) -> str | None:
        """Return what a token lets read; None for one that is unknown or has expired."""
        with self._lock:
            repository, end = self._repositories.get(token, (None, 0.0))
        return repository if self._clock() < end else None
