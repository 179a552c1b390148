"""The registry behind the front: Debian's docker-registry, reached by a socket of its own only."""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import subprocess
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from kit.waiting import wait_until
from lab.commands import environment
from lab.faults import FAILED

SOCKET, CONFIG, LOG = "registry.sock", "registry.json", "registry.log"
START_SECONDS = 20.0
STOP_SECONDS = 10.0
TIMEOUT = 30.0
"""Seconds that it may be silent during a request."""

Wrap = Callable[..., tuple[str, ...]]
"""Returns the command that runs a command, such as in a control group."""


class Connection(http.client.HTTPConnection):
    """HTTP through a socket file."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = str(path)

    def connect(self) -> None:
        """Connect to the file instead of an address."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def directly(*command: str) -> tuple[str, ...]:
    """Return a command as it is."""
    return command


class Storage:
    """One docker-registry. Who reaches its socket may push: it has no logins of its own."""

    def __init__(self, directory: Path, images: Path, wrap: Wrap = directly) -> None:
        """Keep socket and log in `directory`, and what is pushed in `images`."""
        self._directory = directory
        self._images = images
        self._wrap = wrap
        self._process: subprocess.Popen[bytes] | None = None

    def connect(self) -> Connection:
        """Return a connection, which is opened by its first request."""
        return Connection(self._directory / SOCKET)

    def start(self) -> None:
        """Start it; returns when it answers."""
        self._images.mkdir(parents=True, exist_ok=True)
        config = self._directory / CONFIG
        config.write_text(json.dumps(self._settings()))  # YAML is a superset of JSON
        with (self._directory / LOG).open("wb") as log:
            self._process = subprocess.Popen(
                self._wrap("docker-registry", "serve", str(config)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(),
            )
        if not wait_until(self._answers, seconds=START_SECONDS):
            self.stop()
            raise FAILED(
                part="docker-registry", reason="it does not answer", where=self._directory / LOG
            )

    def stop(self) -> None:
        """End it; returns when its process has ended."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        (self._directory / SOCKET).unlink(missing_ok=True)

    def _settings(self) -> dict[str, object]:
        return {
            "version": "0.1",
            "storage": {"filesystem": {"rootdirectory": str(self._images)}},
            "http": {
                "net": "unix",
                "addr": str(self._directory / SOCKET),
                "secret": secrets.token_hex(16),
            },
            "log": {"level": "warn", "accesslog": {"disabled": True}},
        }

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            return False
        with suppress(OSError, http.client.HTTPException), closing(self.connect()) as connection:
            connection.request("GET", "/v2/")
            return connection.getresponse().status == http.client.OK
        return False
