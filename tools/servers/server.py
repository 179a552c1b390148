"""The life of a server that belongs to one directory: started or adopted, asked, stopped."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from tools.servers.errors import ServerError, disk_full, refused, unresponsive
from tools.servers.process import alone, is_running, wait_until

ANSWER_WITHIN = STOP_WITHIN = 30.0
"""Seconds."""


class Server(ABC):
    """One server, reached over 127.0.0.1 with a generated password.

    `durable=False` gives up what makes its data survive a crash, for servers that a test throws
    away.
    """

    title: ClassVar[str]
    program: ClassVar[str]
    """Name of its process."""
    stubborn: ClassVar[str]
    """What to do when it does not stop; `{pid}` is its process."""

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self.directory = directory
        self._log = directory / "server.log"
        self._password = directory / "password"
        self._durable = durable
        self._refused = False
        """It answered, but did not let us in."""

    def start(self) -> None:
        """Start the server or adopt the one that runs here; returns when it answers.

        Raises ServerError with `servers.disk_full`, `servers.password_refused`,
        `servers.unresponsive` or `servers.start_failed`.
        """
        try:
            with alone(self.directory):
                if not self._adopted():
                    self._start()
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise disk_full(self.title, self.directory) from None

    def stop(self) -> None:
        """Stop the server; one that does not run is fine. Raises `servers.stop_failed`."""
        if self.pid() is None:
            return
        with alone(self.directory):
            self._stop()

    def pid(self) -> int | None:
        """Return the server's process id, None when it does not run."""
        pid = self._noted_pid()
        return pid if pid is not None and self._runs(pid) else None

    def is_healthy(self) -> bool:
        """Tell whether the server runs and lets us in."""
        self._refused = False
        return self.pid() is not None and self._answers()

    def _adopted(self) -> bool:
        """Take over a server that lives, also one that is still reading its data."""
        pid = self.pid()
        if pid is None:
            return False
        known = wait_until(
            lambda: self.is_healthy() or self._refused or self.pid() is None, seconds=ANSWER_WITHIN
        )
        if not known:
            raise unresponsive(self.title, pid, self._log)
        if self._refused:
            raise refused(self.title, self._password, self._log)
        return self.pid() is not None

    def _stop(self) -> None:
        pid = self.pid()
        if pid is None:
            return
        self._ask_to_end(pid)
        if not wait_until(lambda: not self._runs(pid), seconds=STOP_WITHIN):
            raise ServerError(
                "servers.stop_failed",
                f"{self.title} (process {pid}) did not stop",
                remedy=self.stubborn.format(pid=pid),
                where=self._log,
            )

    def _runs(self, pid: int) -> bool:
        return is_running(pid, self.program, self._workplace)

    @property
    def _workplace(self) -> Path:
        """The directory that its process works in."""
        return self.directory

    @abstractmethod
    def _start(self) -> None:
        """Start it where none runs; return when it answers."""

    @abstractmethod
    def _answers(self) -> bool:
        """Speak to it; notes in `_refused` that it does not let us in."""

    @abstractmethod
    def _noted_pid(self) -> int | None:
        """Return the process id that it wrote down, whoever has that by now."""

    @abstractmethod
    def _ask_to_end(self, pid: int) -> None:
        """Let it finish its work and end."""
