"""The mail server that is held to the contract: a host's, or the containers of the stand-in."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from kit.faults import Fault
from kit.paths import cache_dir, state_dir
from lab import leftovers
from lab.faults import TAKEN
from lab.layers import Layers
from lab.lock import MACHINE_LOCK, alone
from lab.registry import order
from lab.running import running
from tests.contract.mailu.client import API
from tests.contract.mailu.conftest import TOKEN as API_TOKEN
from tests.contract.mailu.conftest import URL, Names, Target
from tests.support.containers import root_of_image
from tests.support.machine import skip_unless_possible
from tests.support.mail_clients import ImapClient, SmtpClient
from tests.support.mailu_containers import HOSTNAME, TOKEN, Mailu, running_mailu
from tests.support.waiting import wait_for

FRONT = "MAILU_CONTRACT_FRONT"
"""Name of the host whose ports 25, 465 and 993 are tested, beside the address of its admin."""
OUT = "someone@far.test"
"""Who writes from outside."""


@pytest.fixture(scope="session")
def root(request: pytest.FixtureRequest) -> str:
    """The root of the stand-in image, built when it is missing.

    In a run with tests of the lab, those build it: a lab and a build exclude each other.
    """
    directory = state_dir() / "lab"
    skip_unless_possible(directory)
    others_build = any(item.nodeid.startswith("tests/e2e/") for item in request.session.items)

    def built() -> str | None:
        with suppress(LookupError):
            return root_of_image(cache_dir())
        if not others_build:
            _build(directory)
        return None

    return wait_for(built, seconds=840, longest_pause=1) or ""


def _build(directory: Path) -> None:
    """Build the layers of the image; a lab that runs holds the lock, and builds it itself."""
    if running(directory) is not None:
        order.provide(directory, cache_dir(), print)
        return
    place = state_dir() / "building"
    try:
        with alone(place, MACHINE_LOCK):
            Layers(cache_dir(), print).containers()
            leftovers.clear(place)
    except Fault as fault:
        if fault.code is not TAKEN:
            raise  # else: a lab of another checkout, or one that is just ending


@pytest.fixture(scope="session")
def mailu(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mailu]:
    """The containers of the stand-in; a test that needs them cannot run on another target."""
    if URL in os.environ:
        pytest.skip("this needs the containers of the stand-in")
    root = request.getfixturevalue("root")
    with running_mailu(tmp_path_factory.mktemp("mailu"), root) as mailu:
        yield mailu


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Target:
    """The admin of the same mail server."""
    if url := os.environ.get(URL):
        return Target(url.rstrip("/").removesuffix(API), os.environ[API_TOKEN], None)
    mailu = request.getfixturevalue("mailu")
    return Target(mailu.root, TOKEN, mailu.containers.volume("dkim"))


@dataclass(frozen=True)
class Front:
    """The ports that clients reach."""

    hostname: str
    open: Callable[[int], socket.socket]
    trust: ssl.SSLContext
    kept: ExitStack
    """Closes what was opened, at the end of the test."""

    def connect(self, port: int) -> socket.socket:
        """Connect to a port."""
        return self.kept.enter_context(self.open(port))

    def protected(self, port: int) -> ssl.SSLSocket:
        """Connect by TLS, with the certificate verified."""
        connection = self.open(port)
        try:
            protected = self.trust.wrap_socket(connection, server_hostname=self.hostname)
        except OSError:
            connection.close()
            raise
        return self.kept.enter_context(protected)

    def smtp(self) -> SmtpClient:
        """Connect to port 25."""
        client = SmtpClient(self.connect(25), self.hostname)
        self.kept.callback(client.close)
        return client

    def submission(self, user: str = "", token: str = "") -> SmtpClient:
        """Connect to port 465, and log in."""
        client = SmtpClient(self.protected(465), self.hostname)
        self.kept.callback(client.close)
        if user:
            client.login(user, token)
        return client

    def imap(self, user: str, token: str) -> ImapClient:
        """Log in at port 993."""
        client = ImapClient(self.protected(993))
        self.kept.callback(client.end)
        client.login(user, token)
        return client


@pytest.fixture
def front(request: pytest.FixtureRequest) -> Iterator[Front]:
    with ExitStack() as kept:
        if URL not in os.environ:
            mailu: Mailu = request.getfixturevalue("mailu")
            trust = ssl.create_default_context(cafile=mailu.authority.certificate)
            yield Front(HOSTNAME, partial(mailu.containers.connect, "front"), trust, kept)
            return
        if FRONT not in os.environ:
            pytest.skip(f"{FRONT} is not set")
        name = os.environ[FRONT]
        yield Front(name, partial(_at, name), ssl.create_default_context(), kept)


def _at(name: str, port: int) -> socket.socket:
    return socket.create_connection((name, port), 60)


@dataclass(frozen=True)
class Person:
    """A user with a token for mail clients."""

    address: str
    token: str
    front: Front

    @property
    def domain(self) -> str:
        """The part after the @."""
        return self.address.partition("@")[2]

    def received(self, mark: str, folder: str = "INBOX") -> bytes:
        """Return the message that contains a text; waits until it has arrived."""

        def found() -> bytes | None:
            client = self.front.imap(self.address, self.token)
            try:
                return next((m for m in client.messages(folder) if mark.encode() in m), None)
            finally:
                client.logout()

        message = wait_for(found)
        assert message is not None
        return message


@pytest.fixture
def person(names: Names, domain: str, front: Front) -> Person:
    address = names.user(domain)
    return Person(address, names.token(address)["token"], front)


def text(sender: str, recipient: str, mark: str, *headers: str) -> bytes:
    """Return a message whose subject is a mark."""
    lines = [
        f"From: {sender}",
        f"To: {recipient}",
        f"Subject: {mark}",
        f"Message-ID: <{mark}@{sender.rpartition('@')[2]}>",
        "Date: Sun, 29 Nov 2026 12:00:00 +0000",
        *headers,
        "",
        "A few words.",
        "",
    ]
    return "\r\n".join(lines).encode()
