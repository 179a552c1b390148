"""The clock is measured by servers that tell the truth, lie, are silent or talk nonsense."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab.time_server import LIES, SILENT, TimeServer
from tests.support.playbook_modules import load
from tests.support.waiting import SECONDS

clock = load("measured_clock")
LOCAL = "127.0.0.1"
AT_ONCE = [0.0] * len(clock.PAUSES)


def bound() -> socket.socket:
    stream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stream.bind((LOCAL, 0))
    return stream


class AskedServer(TimeServer):
    """The lab's server on a port of loopback."""

    def __init__(self, stream: socket.socket) -> None:
        super().__init__(stream)
        self.port = stream.getsockname()[1]

    def ask(self, timeout: float = SECONDS) -> Any:
        return clock.measure("ntp", LOCAL, self.port, timeout, AT_ONCE)


@pytest.fixture
def server() -> Iterator[AskedServer]:
    server = AskedServer(bound())
    server.start()
    yield server
    server.stop()


@contextmanager
def answering(make: Callable[[bytes], bytes]) -> Iterator[int]:
    """Answer the first requests as `make` says; yield the port."""
    with bound() as stream:
        stream.settimeout(SECONDS)

        def serve() -> None:
            for _ in AT_ONCE:
                request, client = stream.recvfrom(1024)
                stream.sendto(make(request), client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield stream.getsockname()[1]
        thread.join()


def test_server_that_is_right_proves_the_clock(server: AskedServer) -> None:
    seen = server.ask()
    assert abs(seen.offset) <= seen.uncertainty + 0.001
    assert clock.verdict([seen], 1.0) is None


def test_server_that_lies_is_named_with_the_offset(server: AskedServer) -> None:
    server.faults.inject(LIES)
    seen = server.ask()
    shown = re.fullmatch(
        r"the clock is (\d+\.\d) s behind ntp \(limit: 1 s\)", clock.verdict([seen], 1.0)
    )
    assert shown is not None
    assert abs(float(shown[1]) - 3600) <= seen.uncertainty + 0.1
    assert clock.verdict([server.ask()], 1.0) is None


def test_server_that_is_silent_proves_nothing(
    server: AskedServer,
) -> None:
    server.faults.inject(SILENT, times=len(AT_ONCE))
    assert clock.verdict([server.ask(0.05)], 1.0) == "no time server answers: ntp: timed out"


def test_answers_that_are_lost_are_asked_for_again(server: AskedServer) -> None:
    server.faults.inject(SILENT, times=len(AT_ONCE) - 1)
    assert clock.verdict([server.ask(0.5)], 1.0) is None


def changed(index: int, value: int) -> Callable[[bytes], bytes]:
    """Return how to answer with one other byte."""

    def make(request: bytes) -> bytes:
        with bound() as stream:
            answer = TimeServer(stream).answer(request)
        assert answer is not None
        return answer[:index] + bytes([value]) + answer[index + 1 :]

    return make


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (changed(0, 0xE4), "it is not synchronised itself"),
        (changed(1, 0), "it is not synchronised itself"),
        (changed(1, 16), "it is not synchronised itself"),
        (changed(0, 0x23), "its answer is no answer to the question"),
        (lambda _: b"\x24\x02" + bytes(46), "its answer is no answer to the question"),
        (lambda _: b"", "its answer is no answer to the question"),
    ],
)
def test_answer_that_cannot_be_used_is_none(make: Callable[[bytes], bytes], reason: str) -> None:
    with answering(make) as port:
        assert clock.measure("ntp", LOCAL, port, SECONDS, AT_ONCE) == clock.Silent("ntp", reason)


def seen(*offsets: float, uncertainty: float = 0.0) -> list[Any]:
    return [clock.Measured(f"s{n}", offset, uncertainty) for n, offset in enumerate(offsets)]


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        (seen(0.9, -0.9), None),
        (seen(0.0, 0.0, 3600.0), None),
        (seen(0.0, 3600.0), "the clock is 3600.0 s behind s1 (limit: 1 s)"),
        (seen(-2.0), "the clock is 2.0 s ahead of s0 (limit: 1 s)"),
        (seen(0.0, 9.0, -9.0), "the clock is 9.0 s behind s1, 9.0 s ahead of s2 (limit: 1 s)"),
        (seen(1.4, uncertainty=0.5), None),
        (seen(1.6, uncertainty=0.5), "the clock is 1.6 s behind s0 (limit: 1 s)"),
        ([clock.Silent("s9", "timed out"), *seen(0.0)], None),
        ([], "no time server answers: none is configured"),
    ],
)
def test_majority_of_those_that_answer_decides(results: list[Any], reason: str | None) -> None:
    assert clock.verdict(results, 1.0) == reason


def test_time_after_2036_is_read() -> None:
    assert clock._seconds(bytes(8)) == 2**32 - clock.SINCE_1900
