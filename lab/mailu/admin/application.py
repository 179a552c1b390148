"""The parts that handlers use, and the limit on how long one request may take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from lab.mailu.admin.counters import Counters
from lab.mailu.admin.keys import Keys
from lab.mailu.admin.messages import Request
from lab.mailu.admin.passwords import Passwords
from lab.mailu.admin.sessions import Sessions
from lab.mailu.admin.settings import Settings
from lab.mailu.admin.store import Database, Document, Store
from lab.mailu.admin.valkey import Valkey

PATIENCE = 30.0
"""Seconds after which a worker with one thread is killed in the middle of a request."""


class WorkerKilled(Exception):
    """The request took longer than a worker with one thread may take."""


@dataclass(frozen=True)
class Application:
    """The parts of admin."""

    settings: Settings
    database: Database
    counters: Counters
    keys: Keys
    passwords: Passwords
    sessions: Sessions
    patience: float = PATIENCE
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True)
class Call:
    """A request that a handler serves."""

    app: Application
    store: Store
    request: Request
    document: Document
    """The body; empty where the route takes none."""
    arguments: dict[str, str]
    """The variable parts of the path."""
    started: float

    def go_on(self) -> None:
        """Raise WorkerKilled if the request has taken too long and is the only one served."""
        late = self.app.clock() - self.started > self.app.patience
        if late and self.app.settings.threads == 1:
            raise WorkerKilled


def assembled(settings: Settings) -> Application:
    """Return admin with the parts that its settings name."""
    settings.database.parent.mkdir(parents=True, exist_ok=True)
    valkey = Valkey(settings.services["REDIS"])
    return Application(
        settings,
        Database(settings.database),
        Counters(valkey, settings.limits),
        Keys(settings.dkim_path, settings.dkim_selector),
        Passwords(settings.rounds),
        Sessions(valkey),
    )
