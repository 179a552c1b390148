"""A port that only a host reaches is reached by one login, through a socket that is a file."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import paramiko
import pytest

from controlplane.ansible import faults
from controlplane.ansible.holding import HOLD, RELEASE
from controlplane.ansible.host_fence import PROGRAM, REFUSED, fenced, raised
from controlplane.ansible.mailboxes import HostMailboxes
from controlplane.ansible.private_directory import PREFIX, default_root
from controlplane.ansible.shell import OpenSsh
from controlplane.mailu.comparison import Plan
from controlplane.mailu.faults import TOKEN_REFUSED, UNREACHABLE
from controlplane.mailu.own_tokens import OwnTokens
from controlplane.mailu.reconciling import Removals
from controlplane.mailu.stopping import Stops
from controlplane.reconciler.ports import Login, ObservedAddress, ObservedHost
from tests.support.faults import fault_shown
from tests.support.mailu_admin import StandIn, stand_in, valkey_on_tcp
from tests.support.mailu_tenants import ACME
from tests.support.plain_http import plain_client

from .test_first_contact import Host, SshPort, make_key

ADDRESS = f"127.{os.getpid() >> 8 & 255}.{os.getpid() & 255}.7"
"""Each process that runs tests uses port 22 of its own loopback address."""
ADMIN = ("192.168.203.3", 8080)


class Forwarding(Host):
    """A host that lets one key in, keeps its fence in a directory, and reaches addresses."""

    def __init__(
        self, directory: Path, reached: dict[tuple[str, int], tuple[str, int]], key: str
    ) -> None:
        super().__init__()
        self.reached = reached
        self.asked: list[tuple[str, int]] = []
        self.commands: list[str] = []
        self.forwarded: set[int] = set()
        self.scripts.append(key)
        self._fence = str(directory / "fence")

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        words = command.decode().replace(PROGRAM.rpartition("/")[0], self._fence)
        self.commands.append(words)
        threading.Thread(target=_execute, args=(channel, words)).start()
        return True

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        self.asked.append(destination)
        self.forwarded.add(chanid)
        if destination not in self.reached:
            return int(paramiko.OPEN_FAILED_CONNECT_FAILED)
        return int(paramiko.OPEN_SUCCEEDED)


class ForwardingPort(SshPort):
    """Connects forwarded channels with what the host reaches."""

    def __init__(self, host: Forwarding) -> None:
        self._pumps: list[threading.Thread] = []
        self._reached = host.reached
        super().__init__(host, 22, ADDRESS)

    def logins(self) -> int:
        """Return the number of connections."""
        return len(self.transports)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(self.key)
            self.transports.append(transport)
            transport.start_server(server=self._host, event=threading.Event())
            self._start(self._channels, transport)

    def _start(self, run: Callable[..., None], *arguments: object) -> None:
        pump = threading.Thread(target=run, args=arguments)
        self._pumps.append(pump)
        pump.start()

    def _channels(self, transport: paramiko.Transport) -> None:
        while transport.is_active():
            channel = transport.accept(0.1)
            if channel is not None and channel.get_id() in self._host.forwarded:
                [there] = self._reached.values()
                end = socket.create_connection(there)
                self._start(_copy, channel, end)
                self._start(_copy, end, channel)

    def close(self) -> None:
        super().close()
        for pump in self._pumps:
            pump.join(10)


def _execute(channel: paramiko.Channel, command: str) -> None:
    with subprocess.Popen(
        ["sh", "-c", command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
    ) as process:
        assert process.stdout is not None
        feeding = threading.Thread(target=_feed, args=(channel, process.stdin))
        feeding.start()
        while data := process.stdout.read(65536):
            channel.sendall(data)
    channel.send_exit_status(process.returncode % 256)
    channel.close()
    feeding.join()


def _feed(channel: paramiko.Channel, given: IO[bytes]) -> None:
    with suppress(OSError), given:  # the command may have ended
        while data := channel.recv(65536):
            given.write(data)


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        target.close()


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[StandIn]:
    with valkey_on_tcp() as valkey, stand_in(tmp_path, valkey) as running:
        yield running


@pytest.fixture
def key() -> tuple[str, str]:
    return make_key()


@pytest.fixture
def ssh(admin: StandIn, key: tuple[str, str], tmp_path: Path) -> Iterator[ForwardingPort]:
    address, _, port = admin.url.removeprefix("http://").partition(":")
    host = Forwarding(tmp_path, {ADMIN: (address, int(port))}, key[1])
    opened = ForwardingPort(host)
    yield opened
    opened.close()


OBSERVED = ObservedHost("mx1", "k3f9a-acme-mx1", None, (ObservedAddress("mx1-1", ADDRESS, "h"),))


def login(ssh: ForwardingPort, private_key: str, fence: int = 1) -> Login:
    return Login(f"mx1 {ssh.key.get_name()} {ssh.key.get_base64()}", private_key, fence)


def reconciled(
    ssh: ForwardingPort, private_key: str, token: str, lines: list[str], fence: int = 1
) -> Plan:
    return HostMailboxes().reconcile(
        OBSERVED,
        login(ssh, private_key, fence),
        token,
        [ACME],
        Removals((), (), lambda _: None, lambda _: None),
        OwnTokens("acme"),
        progress=lines.append,
    )


def test_a_host_is_reconciled_by_one_login(
    ssh: ForwardingPort, admin: StandIn, key: tuple[str, str]
) -> None:
    lines: list[str] = []
    left = reconciled(ssh, key[0], admin.token, lines)
    assert left.is_empty
    assert "mx1: made user ann@acme.example" in lines
    assert set(ssh._host.asked) == {ADMIN}
    lines.clear()
    before = ssh.logins()
    assert reconciled(ssh, key[0], admin.token, lines).is_empty
    assert lines == []
    assert ssh.logins() == before + 1


def test_mail_is_held_while_a_domain_is_made_and_then_taken(
    ssh: ForwardingPort, admin: StandIn, key: tuple[str, str]
) -> None:
    reconciled(ssh, key[0], admin.token, [])
    held, taken = ssh._host.commands[1:]
    assert HOLD in held
    assert RELEASE in taken


def test_a_stop_passes_beside_a_run_of_the_playbooks(
    ssh: ForwardingPort, admin: StandIn, key: tuple[str, str]
) -> None:
    ann = "ann@acme.example"
    reconciled(ssh, key[0], admin.token, [], fence=7)
    recorded: list[str] = []
    stops = Stops("acme", {ann}, (), recorded.append, lambda _: None)
    same = login(ssh, key[0], fence=7)
    with raised(OBSERVED, same), fault_shown(faults.UNREACHABLE, reason=...):
        # Ends at the sessions: this machine has no containers.
        HostMailboxes().stop(OBSERVED, same, admin.token, stops, progress=lambda _: None)
    with plain_client(admin.url, {"Authorization": admin.token}) as client:
        assert client.get(f"/api/v1/user/{ann}").json()["enabled"] is False
    assert recorded == [ann]


def test_a_fault_of_admin_has_the_host(ssh: ForwardingPort, key: tuple[str, str]) -> None:
    with fault_shown(TOKEN_REFUSED) as caught:
        reconciled(ssh, key[0], "wrong", [])
    assert caught.value.where == "host/mx1"


def test_the_socket_is_no_port_and_is_gone_afterwards(
    ssh: ForwardingPort, key: tuple[str, str]
) -> None:
    with raised(OBSERVED, login(ssh, key[0]), to=ADMIN) as session:
        listening = session.socket
        assert stat.S_ISSOCK(listening.stat().st_mode)
        assert stat.S_IMODE(listening.parent.stat().st_mode) == 0o700
        assert listening.parent.parent == default_root()
    assert not listening.parent.exists()
    assert listening.parent.name.startswith(PREFIX)


def test_a_login_that_is_refused_is_a_fault(ssh: ForwardingPort, admin: StandIn) -> None:
    other, _ = make_key()
    with fault_shown(faults.SSH_REFUSED, reason=...) as caught:
        reconciled(ssh, other, admin.token, [])
    assert caught.value.where == "host/mx1"


def test_admin_that_the_host_does_not_reach_is_a_fault(
    ssh: ForwardingPort, admin: StandIn, key: tuple[str, str]
) -> None:
    ssh._host.reached.clear()
    with fault_shown(UNREACHABLE, reason=...) as caught:
        reconciled(ssh, key[0], admin.token, [])
    assert caught.value.where == "host/mx1"


def test_a_pass_that_was_overtaken_changes_no_mailbox(
    ssh: ForwardingPort, admin: StandIn, key: tuple[str, str]
) -> None:
    with raised(OBSERVED, login(ssh, key[0], fence=8)):
        pass
    with fault_shown(faults.SUPERSEDED):
        reconciled(ssh, key[0], admin.token, [], fence=7)
    assert ssh._host.asked == []


def test_a_pass_that_is_overtaken_meanwhile_purges_nothing(
    ssh: ForwardingPort, key: tuple[str, str], tmp_path: Path
) -> None:
    """Its files may be those of a mailbox that was made since."""
    earlier, later = (login(ssh, key[0], fence) for fence in (7, 8))
    mail = tmp_path / "mail"
    mail.mkdir()
    with raised(OBSERVED, later):
        status, output = OpenSsh().run(OBSERVED, earlier, fenced(earlier, f"rmdir {mail}"))
    assert (status, mail.exists()) == (REFUSED, True)
    assert "a run with 7 changes nothing more" in output


def test_a_fault_of_an_overtaken_pass_is_that_it_was_overtaken(
    ssh: ForwardingPort, key: tuple[str, str]
) -> None:
    with fault_shown(faults.SUPERSEDED), raised(OBSERVED, login(ssh, key[0], fence=7)):
        with raised(OBSERVED, login(ssh, key[0], fence=8)):
            pass
        raise UNREACHABLE.shown()
