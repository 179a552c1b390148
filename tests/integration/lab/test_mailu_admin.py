"""What only a stand-in shows: its strictness, its costs, what it does without its neighbours."""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from lab.mailu.admin.counters import Counters
from lab.mailu.admin.keys import Keys
from lab.mailu.admin.settings import read
from lab.mailu.admin.store import Database
from lab.mailu.admin.valkey import Valkey
from tests.support.mailu_admin import (
    StandIn,
    environment,
    serving,
    stand_in,
    valkey_on_tcp,
)
from tests.support.plain_http import plain_client

NAME = "a.contract.test"


@pytest.fixture(scope="session")
def mailu_valkey() -> Iterator[str]:
    with valkey_on_tcp() as address:
        yield address


@pytest.fixture
def running(tmp_path: Path, mailu_valkey: str) -> Iterator[StandIn]:
    with stand_in(tmp_path, mailu_valkey, CPU_COUNT="1") as running:
        yield running


def call(
    running: StandIn, method: str, path: str, body: object = None, **headers: str
) -> httpx2.Response:
    """Call the API."""
    given = {"Authorization": running.token, **headers}
    with plain_client(running.url, given) as client:
        return client.request(method, f"/api/v1{path}", json=body)


def test_it_says_what_it_is(running: StandIn) -> None:
    with plain_client(running.url) as client:
        assert "stand-in" in client.get("/ping").headers["server"]


def test_an_unknown_field_is_refused(running: StandIn) -> None:
    answer = call(running, "POST", "/domain", {"name": NAME, "comments": "x"})
    assert answer.status_code == 400
    assert set(answer.json()["errors"]) == {"comments"}
    assert call(running, "GET", f"/domain/{NAME}").status_code == 404


@pytest.mark.parametrize(
    ("token", "status"), [(None, 500), ("", 500), ("abc", 403)], ids=["unset", "empty", "short"]
)
def test_a_token_that_is_no_token(
    tmp_path: Path, mailu_valkey: str, token: str | None, status: int
) -> None:
    environ = environment(tmp_path, mailu_valkey, API_TOKEN=token or "")
    if token is None:
        del environ["API_TOKEN"]
    with stand_in(tmp_path, mailu_valkey) as running:
        settings = read(environ)
        with serving(running.app, settings=settings) as other:
            given = {"Authorization": token or "abc", "X-Real-IP": "240.9.9.9"}
            answer = call(other, "GET", "/relay", **given)
            assert (answer.status_code, set(answer.json())) == (status, {"message"})
            with plain_client(other.url) as client:
                assert client.get("/api/v1/relay").status_code == 401


def test_networks_that_are_exempt_are_never_counted(tmp_path: Path, mailu_valkey: str) -> None:
    with stand_in(tmp_path, mailu_valkey, AUTH_RATELIMIT_EXEMPTION="240.8.8.0/24") as running:
        for _ in range(7):
            given = {"Authorization": "wrong", "X-Real-IP": "240.8.8.8"}
            assert call(running, "GET", "/relay", **given).status_code == 403
        assert call(running, "GET", "/relay", **{"X-Real-IP": "240.8.8.8"}).status_code == 200


def test_a_lock_ends_with_the_window_of_its_first_failure(
    tmp_path: Path, mailu_valkey: str
) -> None:
    now = 1_000_000.0
    limits = read(environment(tmp_path, mailu_valkey)).limits
    counters = Counters(Valkey(mailu_valkey), limits, lambda: now)
    address = "240.7.7.7"
    for _ in range(5):
        counters.failed(address)
        now += 60
    assert counters.blocked(address)
    now = 1_000_000.0 + 3600
    assert not counters.blocked(address)
    counters.failed(address)
    assert counters.blocked(address)


def test_without_valkey_calls_are_500_and_what_counts_nothing_goes_on(tmp_path: Path) -> None:
    with valkey_on_tcp() as address:
        pass  # it is gone
    with stand_in(tmp_path, address) as running, plain_client(running.url) as client:
        answer = call(running, "GET", "/relay")
        assert (answer.status_code, set(answer.json())) == (500, {"message"})
        assert call(running, "POST", "/domain", {}).status_code == 400
        assert client.get("/ping").status_code == 200
        assert client.get(f"/internal/rspamd/vault/v1/dkim/{NAME}").status_code == 200


def test_a_locked_database_is_500_and_keeps_nothing(running: StandIn, tmp_path: Path) -> None:
    path = tmp_path / "main.db"
    impatient = Database(path, locked_after=0.05)
    with serving(running.app, database=impatient) as other:
        with closing(sqlite3.connect(path, isolation_level=None)) as writer:
            writer.execute("begin immediate")
            answer = call(other, "POST", "/domain", {"name": NAME})
            assert (answer.status_code, set(answer.json())) == (500, {"message"})
            assert call(other, "GET", "/domain").status_code == 200
        assert call(other, "GET", f"/domain/{NAME}").status_code == 404
        assert call(other, "POST", "/domain", {"name": NAME}).status_code == 200


@dataclass(frozen=True)
class HeldKeys(Keys):
    """Keys whose reading lasts until it is let go."""

    reading: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def public(self, domain: str) -> str | None:
        """Wait, then read."""
        self.reading.set()
        assert self.go_on.wait(60)
        return super().public(domain)


@pytest.mark.parametrize("threads", [1, 2])
def test_with_one_thread_nothing_else_is_served(
    tmp_path: Path, mailu_valkey: str, threads: int
) -> None:
    keys = HeldKeys(str(tmp_path / "{domain}.{selector}.key"), "mu1")
    with (
        stand_in(tmp_path, mailu_valkey, CPU_COUNT=str(threads)) as first,
        serving(first.app, keys=keys) as running,
    ):
        call(running, "POST", "/domain", {"name": NAME})
        reader = threading.Thread(target=call, args=(running, "GET", "/domain"))
        reader.start()
        assert keys.reading.wait(60)
        host, _, port = running.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as ping:
            ping.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
            ping.settimeout(0.3 if threads == 1 else 60)
            if threads == 1:
                with pytest.raises(TimeoutError):
                    ping.recv(1)
                keys.go_on.set()
                ping.settimeout(60)
            assert ping.recv(12) == b"HTTP/1.1 200"
        keys.go_on.set()
        reader.join()


class TestTooSlow:
    """A list that takes longer than a worker may take, by a clock that each key moves on."""

    @pytest.fixture
    def slow(self, running: StandIn, tmp_path: Path) -> Iterator[StandIn]:
        for number in range(3):
            call(running, "POST", "/domain", {"name": f"d{number}.contract.test"})
        with serving(running.app, clock=Clock()) as slow:
            yield slow

    def test_it_is_killed_with_one_thread(self, slow: StandIn) -> None:
        answer = call(slow, "GET", "/domain")
        assert (answer.status_code, set(answer.json())) == (500, {"message"})
        assert call(slow, "GET", "/domain/d0.contract.test").status_code == 200

    def test_it_ends_with_two(self, slow: StandIn, tmp_path: Path, mailu_valkey: str) -> None:
        settings = read(environment(tmp_path, mailu_valkey, CPU_COUNT="2"))
        with serving(slow.app, settings=settings) as other:
            assert len(call(other, "GET", "/domain").json()) == 3


class Clock:
    """A clock that moves on by twelve seconds whenever it is looked at."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        self._now += 12
        return self._now


def test_a_damaged_key_is_no_key(running: StandIn) -> None:
    call(running, "POST", "/domain", {"name": NAME})
    call(running, "POST", f"/domain/{NAME}/dkim")
    path = running.app.keys.path(NAME)
    pem = path.read_text()
    damaged = "A" if pem[80] != "A" else "B"  # within the modulus: it can be read, not verified
    path.write_text(pem[:80] + damaged + pem[81:])
    assert call(running, "GET", f"/domain/{NAME}").status_code == 500
