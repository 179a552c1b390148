"""Runs commands on hosts, and reaches ports by way of them, with OpenSSH's client."""

from __future__ import annotations

import select
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from controlplane.ansible.errors import Failure, explain
from controlplane.ansible.faults import UNREACHABLE
from controlplane.ansible.private_directory import (
    default_root,
    environment_mark,
    private_directory,
)
from controlplane.reconciler.ports import Login, ObservedHost
from kit.faults import Fault
from kit.files import PRIVATE, write
from kit.inherited import inherited
from kit.waiting import wait_until

CONNECT_SECONDS = 10
DEADLINE_SECONDS = 120.0
"""More than a host with many addresses needs where each of its dialogues runs into its timeout."""
SSH_FAILED = 255
"""Status of `ssh` where it failed itself."""
ALIVE = ("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4")
"""As in `ansible.cfg`: a connection to a host that is silent for a minute ends."""


class OpenSsh:
    """The `Shell` of verification; each call is a login of its own, at the pinned host key."""

    def run(self, host: ObservedHost, login: Login, command: str) -> tuple[int, str]:
        """Run a command; return its status and its output. Raises a fault without a login."""
        with _client(host, login) as client:
            try:
                done = subprocess.run(
                    [*client.command(), command],
                    env=client.environment,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    check=False,
                    timeout=DEADLINE_SECONDS,
                )
            except subprocess.TimeoutExpired:
                reason = f"`{command}` did not end within {DEADLINE_SECONDS:g} s"
                raise UNREACHABLE(reason=reason, where=f"host/{host.name}") from None
        if done.returncode == SSH_FAILED:
            raise _failed(host, done.stderr)
        return done.returncode, done.stdout.decode(errors="replace")

    @contextmanager
    def session(
        self,
        host: ObservedHost,
        login: Login,
        command: str,
        *,
        to: tuple[str, int] | None = None,
    ) -> Iterator[Session]:
        """Start a command, whose input ends with the block.

        `to` is an address and port that only the host reaches: the session's socket leads there.
        It is a file in a private directory, not a port: other users of this machine must not get
        through.
        """
        with _client(host, login) as client:
            listening = client.private / "forward"
            way = () if to is None else ("-L", f"{listening}:{to[0]}:{to[1]}")
            with subprocess.Popen(
                [*client.command(*ALIVE, *way), command],
                env=client.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            ) as process:
                session = Session(host, process, listening)
                try:
                    yield session
                finally:
                    session.end()

    @contextmanager
    def tunnel(
        self, host: ObservedHost, login: Login, ip: str, port: int
    ) -> Iterator[socket.socket]:
        """Connect to a port by way of a host; a port that is closed ends the connection."""
        ours, theirs = socket.socketpair()
        with ours, _client(host, login) as client:
            with theirs:
                process = subprocess.Popen(
                    client.command("-W", f"{ip}:{port}"),
                    env=client.environment,
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=subprocess.DEVNULL,
                )
            try:
                yield ours
            finally:
                process.kill()
                process.wait()


class Session:
    """A command that runs on a host."""

    def __init__(
        self, host: ObservedHost, process: subprocess.Popen[bytes], listening: Path
    ) -> None:
        self._host = host
        self._process = process
        self.socket = listening
        """Leads to the port that was asked for."""

    def first_line(self, seconds: float, cancelled: Callable[[], bool]) -> str | None:
        """Wait for output; None where there is none in time, or the wait was cancelled."""
        output = cast("IO[bytes]", self._process.stdout)  # a pipe, as `session` starts it

        def is_readable() -> bool:
            return bool(select.select([output], [], [], 0)[0])

        wait_until(lambda: is_readable() or cancelled(), seconds=seconds)
        return output.readline().decode() if is_readable() else None

    def has_ended(self) -> bool:
        """Return whether the command, or the connection, has ended."""
        return self._process.poll() is not None

    def result(self) -> tuple[int, str]:
        """Wait for the end; return the status and the last line of errors. Raises a fault."""
        status, errors = self.end()
        if status == SSH_FAILED:
            raise _failed(self._host, errors)
        lines = errors.decode(errors="replace").strip().splitlines()
        return status, lines[-1] if lines else "no reason was given"

    def end(self) -> tuple[int, bytes]:
        """End the input and so the command."""
        try:
            _, errors = self._process.communicate(timeout=CONNECT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            _, errors = self._process.communicate()
        return self._process.returncode, errors or b""


def _failed(host: ObservedHost, output: bytes) -> Fault:
    """Return what it means that `ssh` itself failed."""
    lines = output.decode(errors="replace").strip().splitlines()
    reason = lines[-1] if lines else "ssh gave no reason"
    return explain(Failure("ssh", reason, unreachable=True), host.name)


@dataclass(frozen=True)
class _Client:
    """OpenSSH's client for one login."""

    words: list[str]
    target: str
    environment: dict[str, str]
    private: Path
    """A directory that is removed afterwards, with the key in it."""

    def command(self, *options: str) -> list[str]:
        """Return the command line."""
        return [*self.words, *options, self.target]


@contextmanager
def _client(host: ObservedHost, login: Login) -> Iterator[_Client]:
    """Yield a client; the key is in a file meanwhile."""
    with private_directory(default_root()) as private:
        key, known_hosts = private / "key", private / "known_hosts"
        write(key, login.private_key.rstrip("\n") + "\n", mode=PRIVATE)
        write(known_hosts, login.known_host.rstrip("\n") + "\n", mode=PRIVATE)
        settings = {
            "BatchMode": "yes",
            "ConnectTimeout": str(CONNECT_SECONDS),
            "ExitOnForwardFailure": "yes",
            "GlobalKnownHostsFile": "/dev/null",
            "HostKeyAlias": host.name,
            "IdentitiesOnly": "yes",
            "IdentityFile": str(key),
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(known_hosts),
        }
        pairs = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
        name, value = environment_mark(private)
        environment = {**inherited(), name: value}
        words = ["ssh", "-F", "none", *pairs]
        yield _Client(words, f"root@{host.primary_ip}", environment, private)
