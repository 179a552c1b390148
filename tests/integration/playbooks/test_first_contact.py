"""First contact against a real SSH protocol on loopback; nothing is executed."""

from __future__ import annotations

import gc
import io
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta

import paramiko
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from controlplane.ansible import faults
from controlplane.ansible.first_contact import FirstContact, SshServer
from kit.faults import Fault
from tests.support.closed_port import closed_port
from tests.support.faults import assert_shows
from tests.support.waiting import SECONDS, wait_for

PASSWORD = "from-the-provider"


def make_key() -> tuple[str, str]:
    """Private key in OpenSSH format, and the line of its public half."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private.decode(), public.decode() + " acme"


class Host(paramiko.ServerInterface):  # type: ignore[misc]  # paramiko has no types
    """A host that accepts one password, and keys that a script has installed."""

    def __init__(self) -> None:
        self.scripts: list[str] = []
        self.passwords: list[str] = []
        self.accepts_passwords = True

    def get_allowed_auths(self, username: str) -> str:
        return "password,publickey"

    def check_auth_password(self, username: str, password: str) -> int:
        self.passwords.append(password)
        accepted = self.accepts_passwords and (username, password) == ("root", PASSWORD)
        return int(paramiko.AUTH_SUCCESSFUL if accepted else paramiko.AUTH_FAILED)

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        accepted = any(key.get_base64() in script for script in self.scripts)
        return int(paramiko.AUTH_SUCCESSFUL if accepted else paramiko.AUTH_FAILED)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.scripts.append(command.decode())
        threading.Thread(target=self._answer, args=(channel,)).start()
        return True

    def _answer(self, channel: paramiko.Channel) -> None:
        channel.send_exit_status(0)
        channel.shutdown_write()


class SshPort:
    """Accepts connections for a host until it is closed."""

    def __init__(self, host: Host, port: int = 0, address: str = "127.0.0.1") -> None:
        private, _ = make_key()
        self.key = paramiko.Ed25519Key.from_private_key(io.StringIO(private))
        self._host = host
        self._listener = socket.create_server((address, port))
        self.port: int = self._listener.getsockname()[1]
        self.transports: list[paramiko.Transport] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(self.key)
            self.transports.append(transport)
            try:
                transport.start_server(server=self._host, event=threading.Event())
            except (paramiko.SSHException, EOFError):
                transport.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        for transport in self.transports:
            transport.close()
            transport.join(10)


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def ssh_port(host: Host) -> Iterator[SshPort]:
    opened = SshPort(host)
    yield opened
    opened.close()


@pytest.fixture
def contact() -> FirstContact:
    return FirstContact(deadline=timedelta(seconds=10))


def test_refused_login_leaves_no_connection(host: Host, ssh_port: SshPort) -> None:
    host.accepts_passwords = False

    def look(_: float) -> None:
        wait_for(lambda: not any(transport.is_active() for transport in ssh_port.transports))
        host.accepts_passwords = True

    _, public = make_key()
    gc.disable()  # it would close them at some time
    try:
        FirstContact(deadline=timedelta(seconds=10), pause=look).install_key(
            SshServer("mx1", "127.0.0.1", ssh_port.port),
            public_key=public,
            private_key=None,
            password=PASSWORD,
            progress=lambda _: None,
        )
    finally:
        gc.enable()
    assert len(host.passwords) == 2


def test_first_contact_uses_the_password_once_and_then_the_key(
    host: Host, ssh_port: SshPort, contact: FirstContact
) -> None:
    private, public = make_key()
    server = SshServer("mx1", "127.0.0.1", ssh_port.port)
    lines: list[str] = []

    def make(password: str | None) -> str:
        return contact.install_key(
            server,
            public_key=public,
            private_key=private,
            password=password,
            progress=lines.append,
        )

    first, second = make(PASSWORD), make(None)

    assert first == second
    assert first == f"mx1 ssh-ed25519 {ssh_port.key.get_base64()}"
    assert host.passwords == [PASSWORD]
    assert len(host.scripts) == 1
    assert PASSWORD not in " ".join([*host.scripts, *lines])


@pytest.mark.parametrize("password", ["wrong", None])
def test_host_that_accepts_neither_password_nor_key_refuses(
    ssh_port: SshPort, password: str | None
) -> None:
    private, public = make_key()
    contact = FirstContact(deadline=timedelta(0))

    with pytest.raises(Fault) as caught:
        contact.install_key(
            SshServer("mx1", "127.0.0.1", ssh_port.port),
            public_key=public,
            private_key=private,
            password=password,
            progress=lambda _: None,
        )

    assert_shows(caught.value, faults.SSH_REFUSED, reason=...)
    assert caught.value.where == "host/mx1"
    assert "wrong" not in str(caught.value)


def test_password_that_is_not_in_force_yet_is_tried_again(host: Host, ssh_port: SshPort) -> None:
    private, public = make_key()
    host.accepts_passwords = False
    now = [0.0]

    def pause(seconds: float) -> None:
        now[0] += seconds
        host.accepts_passwords = now[0] > 100

    contact = FirstContact(deadline=timedelta(minutes=15), clock=lambda: now[0], pause=pause)
    lines: list[str] = []
    contact.install_key(
        SshServer("mx1", "127.0.0.1", ssh_port.port),
        public_key=public,
        private_key=private,
        password=PASSWORD,
        progress=lines.append,
    )
    assert now[0] == 105
    assert lines.count("mx1: its root password is not accepted yet") == 2
    assert lines[-1] == "mx1: our key is installed"


def test_host_that_never_boots_is_unreachable_at_the_deadline() -> None:
    now = [0.0]

    def pause(seconds: float) -> None:
        now[0] += seconds

    contact = FirstContact(deadline=timedelta(seconds=3), clock=lambda: now[0], pause=pause)
    lines: list[str] = []

    with closed_port() as port, pytest.raises(Fault) as caught:
        contact.install_key(
            SshServer("mx1", "127.0.0.1", port),
            public_key="k",
            private_key=None,
            password=PASSWORD,
            progress=lines.append,
        )

    assert_shows(caught.value, faults.UNREACHABLE, reason=...)
    assert now[0] == 3.0
    assert len(lines) == 1


def test_host_that_boots_late_is_waited_for(host: Host) -> None:
    private, public = make_key()
    ssh_ports: list[SshPort] = []
    with closed_port() as port:

        def pause(_: float) -> None:
            if not ssh_ports:
                ssh_ports.append(SshPort(host, port))

        contact = FirstContact(deadline=timedelta(seconds=SECONDS), pause=pause)
        try:
            line = contact.install_key(
                SshServer("mx1", "127.0.0.1", port),
                public_key=public,
                private_key=private,
                password=PASSWORD,
                progress=lambda _: None,
            )
        finally:
            for ssh_port in ssh_ports:
                ssh_port.close()

    assert line.startswith("mx1 ssh-ed25519 ")
