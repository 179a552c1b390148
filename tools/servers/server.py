"""A server that belongs to one directory: started or adopted, checked, stopped."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from kit import files
from kit.faults import Fault
from kit.locks import locked
from kit.waiting import wait_until
from tools.faults import (
    DISK_FULL,
    FOREIGN_DIRECTORY,
    PASSWORD_REFUSED,
    START_FAILED,
    UNRESPONSIVE,
)
from tools.servers.process import Account, account_name, is_running

REACTION_SECONDS = 30.0
"""How long a server may take to answer, or to stop."""
LEAST_FREE_BYTES = 1 << 20
"""With less on its disk no server starts."""


class Server(ABC):
    """One server, reached at a Unix socket with a generated password.

    The directory is the caller's and so are password, log and lock in it; the server runs as an
    account of its own, which can change nothing but `data`. There the caller follows no link. The
    socket is in `data`, so that no other account can listen in its place.

    `durable=False` disables what makes its data survive a crash, for temporary servers of tests.
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
        self._data = directory / "data"
        self._log = directory / "server.log"
        self._password = directory / "password"
        self._durable = durable
        self._reaction_seconds = reaction_seconds
        self._password_refused = False
        """It answered, but did not accept the password."""

    def start(self) -> None:
        """Start the server or adopt the one that is running; returns when it answers.

        Raises DISK_FULL, FOREIGN_DIRECTORY, NO_ACCOUNT, NOT_REACHABLE, PASSWORD_REFUSED,
        START_FAILED or UNRESPONSIVE.
        """
        self._make_directory()
        try:
            with locked(self.directory / "lock"):
                if not self._adopted():
                    self._account.require_reach(self.directory)
                    if self._data.exists():
                        self._account.own_tree(self._data)
                    self._start()
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise DISK_FULL(server=self.title, where=self.directory) from None

    def stop(self) -> None:
        """Stop the server, and clear what a killed one left. Raises UNRESPONSIVE."""
        if self._recorded_pid() is None:
            return
        with locked(self.directory / "lock"):
            self._stop()
            self._clear_left_over()

    def pid(self) -> int | None:
        """Return the server's process id, None when it does not run."""
        pid = self._recorded_pid()
        return pid if pid is not None and self._runs(pid) else None

    def is_healthy(self) -> bool:
        """Tell whether the server runs and accepts the password."""
        self._password_refused = False
        return self.pid() is not None and self._answers()

    @cached_property
    def _account(self) -> Account:
        return Account.for_servers()

    def _make_directory(self) -> None:
        """Create the directory, or take it from the account that owned it in earlier versions."""
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        self._refuse_foreign(self.directory.parent)
        taken = self.directory.exists() and self.directory.stat().st_uid != os.geteuid()
        files.directory(self.directory.resolve(), (os.geteuid(), os.getegid()), 0o711)
        if taken:
            for entry in self.directory.iterdir():
                if entry.is_symlink():
                    entry.unlink()

    @staticmethod
    def _refuse_foreign(parent: Path) -> None:
        owner = parent.stat().st_uid
        if os.geteuid() == 0 and owner != 0:
            raise FOREIGN_DIRECTORY(directory=parent, account=account_name(owner))

    def _make_password(self) -> None:
        if not self._password.exists():
            files.write(self._password, secrets.token_urlsafe(24), mode=files.PRIVATE)

    def _adopted(self) -> bool:
        """Adopt a running server, also one that is still loading its data."""
        pid = self.pid()
        if pid is None:
            return False
        settled = wait_until(
            lambda: self.is_healthy() or self._password_refused or self.pid() is None,
            seconds=self._reaction_seconds,
        )
        if not settled:
            raise self._unresponsive(pid, "answer")
        if self._password_refused:
            raise self._password_fault()
        return self.pid() is not None

    def _stop(self) -> None:
        pid = self.pid()
        if pid is None:
            return
        self._request_stop(pid)
        if not wait_until(lambda: not self._runs(pid), seconds=self._reaction_seconds):
            raise self._unresponsive(pid, "stop")

    def _unresponsive(self, pid: int, reaction: str) -> Fault:
        return UNRESPONSIVE(server=self.title, pid=pid, reaction=reaction, where=self._log)

    def _password_fault(self) -> Fault:
        return PASSWORD_REFUSED(server=self.title, file=self._password, where=self._log)

    def _runs(self, pid: int) -> bool:
        return is_running(pid, self.program, self._data)

    @property
    @abstractmethod
    def address(self) -> str:
        """Where clients connect."""

    @abstractmethod
    def _clear_left_over(self) -> None:
        """Remove what a killed server left and nothing else would remove."""

    @abstractmethod
    def _start(self) -> None:
        """Start it; return when it answers."""

    @abstractmethod
    def _answers(self) -> bool:
        """Connect to it; sets `_password_refused` when it does not accept the password."""

    @abstractmethod
    def _recorded_pid(self) -> int | None:
        """Return the process id in its file; another process may have that number now."""

    @abstractmethod
    def _request_stop(self, pid: int) -> None:
        """Let it finish its work and end."""


def failed_start(server: str, log: Path) -> Fault:
    """Return the fault of a failed start, with its cause from the end of the server's log."""
    text = log.read_text(errors="replace")[-4000:] if log.exists() else ""
    # A full disk may have prevented the message from being logged.
    if "No space left on device" in text or shutil.disk_usage(log.parent).free < LEAST_FREE_BYTES:
        return DISK_FULL(server=server, where=log)
    lines = [line for line in text.strip().splitlines() if line.strip()]
    fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
    reason = (fatal or lines or ["its log is empty"])[-1]
    return START_FAILED(server=server, reason=reason, where=log)
