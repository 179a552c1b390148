"""A server that belongs to one directory: started or adopted, checked, stopped."""

from __future__ import annotations

import errno
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from kit.faults import Fault
from kit.locks import locked
from kit.waiting import wait_until
from tools.faults import DISK_FULL, PASSWORD_REFUSED, START_FAILED, UNRESPONSIVE
from tools.servers.process import is_running

REACTION_SECONDS = 30.0
"""How long a server may take to answer, or to stop."""
LEAST_FREE_BYTES = 1 << 20
"""With less on its disk no server starts."""


class Server(ABC):
    """One server, reached over 127.0.0.1 with a generated password.

    `durable=False` gives up what makes its data survive a crash, for servers that a test throws
    away.
    """

    title: ClassVar[str]
    program: ClassVar[str]
    """Name of its process."""

    def __init__(
        self,
        directory: Path,
        *,
        durable: bool = True,
        reaction_seconds: float = REACTION_SECONDS,
    ) -> None:
        self.directory = directory
        self._log = directory / "server.log"
        self._password = directory / "password"
        self._durable = durable
        self._reaction_seconds = reaction_seconds
        self._refused = False
        """It answered, but did not let us in."""

    def start(self) -> None:
        """Start the server or adopt the one that runs here; returns when it answers.

        Raises DISK_FULL, PASSWORD_REFUSED, UNRESPONSIVE or START_FAILED.
        """
        try:
            with locked(self.directory / "lock"):
                if not self._adopted():
                    self._start()
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise DISK_FULL(server=self.title, where=self.directory) from None

    def stop(self) -> None:
        """Stop the server, and clear what a killed one left. Raises UNRESPONSIVE."""
        if self._noted_pid() is None:
            return
        with locked(self.directory / "lock"):
            self._stop()
            self._clear_left_over()

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
        settled = wait_until(
            lambda: self.is_healthy() or self._refused or self.pid() is None,
            seconds=self._reaction_seconds,
        )
        if not settled:
            raise self._unresponsive(pid, "answer")
        if self._refused:
            raise self._not_let_in()
        return self.pid() is not None

    def _stop(self) -> None:
        pid = self.pid()
        if pid is None:
            return
        self._ask_to_end(pid)
        if not wait_until(lambda: not self._runs(pid), seconds=self._reaction_seconds):
            raise self._unresponsive(pid, "stop")

    def _unresponsive(self, pid: int, reaction: str) -> Fault:
        return UNRESPONSIVE(server=self.title, pid=pid, reaction=reaction, where=self._log)

    def _not_let_in(self) -> Fault:
        return PASSWORD_REFUSED(server=self.title, file=self._password, where=self._log)

    def _runs(self, pid: int) -> bool:
        return is_running(pid, self.program, self._workplace)

    @property
    def _workplace(self) -> Path:
        """The directory that its process works in."""
        return self.directory

    @abstractmethod
    def _clear_left_over(self) -> None:
        """Remove what a killed server left: what would hinder the next, or stay for good."""

    @abstractmethod
    def _start(self) -> None:
        """Start it; return when it answers."""

    @abstractmethod
    def _answers(self) -> bool:
        """Speak to it; notes in `_refused` that it does not let us in."""

    @abstractmethod
    def _noted_pid(self) -> int | None:
        """Return the process id that it wrote down; another process may have that number now."""

    @abstractmethod
    def _ask_to_end(self, pid: int) -> None:
        """Let it finish its work and end."""


def failed_start(server: str, log: Path) -> Fault:
    """Name the cause of a failed start from the end of the server's own log."""
    text = log.read_text(errors="replace")[-4000:] if log.exists() else ""
    # A log on the full disk may not have got as far as saying so.
    if "No space left on device" in text or shutil.disk_usage(log.parent).free < LEAST_FREE_BYTES:
        return DISK_FULL(server=server, where=log)
    lines = [line for line in text.strip().splitlines() if line.strip()]
    fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
    reason = (fatal or lines or ["its log is empty"])[-1]
    return START_FAILED(server=server, reason=reason, where=log)
