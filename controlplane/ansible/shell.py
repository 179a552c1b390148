"""Runs commands on hosts, and connects to ports by way of them, with OpenSSH's client."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from controlplane.ansible.errors import Failure, explain
from controlplane.ansible.faults import UNREACHABLE
from controlplane.ansible.private_directory import (
    default_root,
    environment_mark,
    private_directory,
)
from controlplane.reconciler.ports import Login, ObservedHost
from kit.files import PRIVATE, write

CONNECT_SECONDS = 10
DEADLINE_SECONDS = 120.0
"""More than a host with many addresses needs where each of its dialogues runs into its timeout."""
SSH_FAILED = 255
"""Status of `ssh` where it failed itself."""


class OpenSsh:
    """The `Shell` of verification; each call is a login of its own, at the pinned host key."""

    def run(self, host: ObservedHost, login: Login, command: str) -> tuple[int, str]:
        """Run a command; return its status and its output. Raises a fault without a login."""
        with _client(host, login) as (ssh, environment):
            try:
                done = subprocess.run(
                    [*ssh, command],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    check=False,
                    timeout=DEADLINE_SECONDS,
                )
            except subprocess.TimeoutExpired:
                reason = f"`{command}` did not end within {DEADLINE_SECONDS:g} s"
                raise UNREACHABLE(reason=reason, where=f"host/{host.name}") from None
        if done.returncode == SSH_FAILED:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            reason = lines[-1] if lines else "ssh gave no reason"
            raise explain(Failure("ssh", reason, unreachable=True), host.name)
        return done.returncode, done.stdout.decode(errors="replace")

    @contextmanager
    def tunnel(
        self, host: ObservedHost, login: Login, ip: str, port: int
    ) -> Iterator[socket.socket]:
        """Connect to a port by way of a host; a port that is closed ends the connection."""
        ours, theirs = socket.socketpair()
        with ours, _client(host, login, "-W", f"{ip}:{port}") as (ssh, environment):
            with theirs:
                process = subprocess.Popen(
                    ssh,
                    env=environment,
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=subprocess.DEVNULL,
                )
            try:
                yield ours
            finally:
                process.kill()
                process.wait()


@contextmanager
def _client(
    host: ObservedHost, login: Login, *options: str
) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Yield the command line of `ssh` and its environment; the key is in a file meanwhile."""
    with private_directory(default_root()) as private:
        key, known_hosts = private / "key", private / "known_hosts"
        write(key, login.private_key.rstrip("\n") + "\n", mode=PRIVATE)
        write(known_hosts, login.known_host.rstrip("\n") + "\n", mode=PRIVATE)
        settings = {
            "BatchMode": "yes",
            "ConnectTimeout": str(CONNECT_SECONDS),
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
        environment = {**os.environ, name: value}  # with the mark of the part that started it
        ssh = ["ssh", "-F", "none", *pairs, *options, f"root@{host.primary_ip}"]
        yield ssh, environment
