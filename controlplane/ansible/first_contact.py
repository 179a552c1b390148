"""First contact with a new host: one login by the provider's password, then by the tenant's key."""

from __future__ import annotations

import io
import shlex
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import fabric
import paramiko

from controlplane.ansible.faults import SSH_REFUSED, UNREACHABLE
from controlplane.reconciler.cancellation import is_cancelled
from controlplane.reconciler.faults import OPERATION_ENDED
from controlplane.reconciler.ports import Progress
from kit.faults import Fault, first_line

BANNER_SECONDS = 5.0
"""How long a host may take to send its banner."""
LOGIN_SECONDS = 20.0
PAUSE_SECONDS = 0.5
LOGIN_PAUSE_SECONDS = 5.0
REPORT_SECONDS = 60.0
INSTALL_KEY = """umask 077
mkdir -p /root/.ssh
touch /root/.ssh/authorized_keys
grep -qxF {key} /root/.ssh/authorized_keys || printf '%s\\n' {key} >> /root/.ssh/authorized_keys
"""


@dataclass(frozen=True)
class SshServer:
    """The SSH server of a host."""

    name: str
    address: str
    port: int = 22

    @property
    def where(self) -> str:
        """The host as faults name it."""
        return f"host/{self.name}"


class FirstContact:
    """Installs our key on a host. Tests replace the clock and the pause."""

    def __init__(
        self,
        *,
        deadline: timedelta,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._deadline = deadline
        self._clock = clock
        self._pause = pause

    def install_key(
        self,
        server: SshServer,
        *,
        public_key: str,
        private_key: str | None,
        password: str | None,
        progress: Progress,
    ) -> str:
        """Install `public_key` for root; return the host key as a line of known_hosts.

        Idempotent: a host that accepts `private_key` already needs no password; else the login with
        it is tried at the end. Raises UNREACHABLE or SSH_REFUSED.
        """
        wait = _Wait(self._deadline, self._clock, self._pause, progress)
        _wait_for_banner(server, wait)
        if private_key is not None:
            host_key = self._try_key(server, private_key, pinned=None)
            if host_key is not None:
                progress(f"{server.name}: our key is accepted already")
                return _known_host(server, host_key)
        while (host_key := self._install(server, public_key, password)) is None:
            # A new server's SSH may answer minutes before its root password is in force.
            if not wait.goes_on(
                f"{server.name}: its root password is not accepted yet", LOGIN_PAUSE_SECONDS
            ):
                reason = f"the provider's root password is refused (within {self._deadline})"
                raise _refused(server, reason)
        progress(f"{server.name}: our key is installed")
        if private_key is not None and self._try_key(server, private_key, pinned=host_key) is None:
            raise _refused(server, "our key is refused although it was installed")
        return _known_host(server, host_key)

    def _try_key(
        self, server: SshServer, private_key: str, *, pinned: paramiko.PKey | None
    ) -> paramiko.PKey | None:
        """Log in by key; return the host's key, or None if ours is not accepted."""
        key = paramiko.Ed25519Key.from_private_key(io.StringIO(private_key))
        try:
            with _session(server, {"pkey": key}, pinned) as connection:
                return _host_key(connection)
        except paramiko.AuthenticationException:
            return None

    def _install(
        self, server: SshServer, public_key: str, password: str | None
    ) -> paramiko.PKey | None:
        """Install our key; return the host's key, None where the password is not accepted."""
        if password is None:
            raise _refused(server, "our key is not installed and there is no password")
        try:
            with _session(server, {"password": password}, None) as connection:
                script = INSTALL_KEY.format(key=shlex.quote(public_key.strip()))
                connection.run(script, hide=True, in_stream=False)
                return _host_key(connection)
        except paramiko.AuthenticationException:
            return None


class _Wait:
    """The patience for one host, which reports every minute what it waits for."""

    def __init__(
        self,
        deadline: timedelta,
        clock: Callable[[], float],
        pause: Callable[[float], None],
        progress: Progress,
    ) -> None:
        self.deadline = deadline
        self._clock = clock
        self._pause = pause
        self._progress = progress
        self._end = clock() + deadline.total_seconds()
        self._next_report = clock()

    def goes_on(self, what: str, seconds: float) -> bool:
        """Pause, and return True; False at the deadline."""
        if is_cancelled():
            raise OPERATION_ENDED(reason="it was cancelled")
        now = self._clock()
        if now >= self._end:
            return False
        if now >= self._next_report:
            self._progress(what)
            self._next_report = now + REPORT_SECONDS
        self._pause(min(seconds, self._end - now))
        return True


def _wait_for_banner(server: SshServer, wait: _Wait) -> None:
    what = f"{server.name}: waiting for SSH on {server.address}"
    while True:
        try:
            return _read_banner(server)
        except OSError as error:
            if not wait.goes_on(what, PAUSE_SECONDS):
                reason = f"{first_line(error)} (within {wait.deadline})"
                raise UNREACHABLE(reason=reason, where=server.where) from None


@contextmanager
def _session(
    server: SshServer, login: dict[str, object], pinned: paramiko.PKey | None
) -> Iterator[fabric.Connection]:
    """A connection as root, without agent, keys or configuration of the local user."""
    connection = fabric.Connection(
        server.address,
        user="root",
        port=server.port,
        config=fabric.Config(lazy=True),
        connect_timeout=int(LOGIN_SECONDS),
        connect_kwargs={
            **login,
            "allow_agent": False,
            "look_for_keys": False,
            "banner_timeout": LOGIN_SECONDS,
            "auth_timeout": LOGIN_SECONDS,
        },
    )
    if pinned is not None:
        connection.client.set_missing_host_key_policy(_Pinned(pinned))
    try:
        connection.open()
        yield connection
    except (paramiko.SSHException, OSError, EOFError) as error:
        if isinstance(error, paramiko.AuthenticationException):
            raise
        reason = first_line(error, "the connection broke")
        raise UNREACHABLE(reason=reason, where=server.where) from None
    finally:
        # Fabric's own `close` would leave the connection of a refused login, and OpenSSH shuts out
        # for a time who leaves connections that never log in.
        connection.client.close()


class _Pinned:
    """Accepts only the host key of the previous connection."""

    def __init__(self, key: paramiko.PKey) -> None:
        self._key = key

    def missing_host_key(
        self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey
    ) -> None:
        """Refuse a host that changed its key between two connections."""
        del client
        if key != self._key:
            raise paramiko.SSHException(f"{hostname} answers with another host key")


def _read_banner(server: SshServer) -> None:
    """Connect and read the first bytes: an open port alone does not prove an SSH server."""
    with socket.create_connection((server.address, server.port), BANNER_SECONDS) as stream:
        stream.settimeout(BANNER_SECONDS)
        if not stream.recv(4).startswith(b"SSH-"):
            raise OSError("no SSH banner")


def _host_key(connection: fabric.Connection) -> paramiko.PKey:
    return connection.client.get_transport().get_remote_server_key()


def _known_host(server: SshServer, key: paramiko.PKey) -> str:
    """Return the key under the host's name: its address may change."""
    return f"{server.name} {key.get_name()} {key.get_base64()}"


def _refused(server: SshServer, reason: str) -> Fault:
    return SSH_REFUSED(reason=reason, where=server.where)
