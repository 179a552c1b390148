"""What the stand-in for Mailu's admin waits for, and how it starts."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.flags
import dns.message
import dns.rrset
import pytest

from kit.paths import checkout
from lab.mailu.admin.settings import FITS
from lab.mailu.admin.start import SystemResolver, wait_for_docker, wait_for_validation
from tests.unit.lab.test_mailu_settings import LEAST


class Resolver:
    """Name servers whose answers are given: True, False or an error."""

    def __init__(self, **answers: list[bool | OSError]) -> None:
        self._answers = answers
        self.asked: list[str] = []

    def servers(self) -> list[str]:
        """Return the names of the servers."""
        return list(self._answers)

    def is_validated(self, server: str, name: str) -> bool:
        """Give the next answer of a server."""
        self.asked.append(f"{server} {name}")
        answer = self._answers[server].pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer


def test_each_name_server_is_asked_until_it_validates() -> None:
    pauses: list[float] = []
    resolver = Resolver(a=[OSError("no answer"), False, True], b=[False, True])
    wait_for_validation(resolver, pauses.append)
    assert resolver.asked == ["a example.org"] * 3 + ["b example.org"] * 2
    assert pauses == [5, 5, 5]


@contextmanager
def name_server(flags: int, answers: bool) -> Iterator[int]:
    """Serve one answer by UDP; yield the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))

        def answer() -> None:
            wire, client = listening.recvfrom(4096)
            query = dns.message.from_wire(wire)
            assert query.flags & dns.flags.AD
            response = dns.message.make_response(query)
            response.flags |= flags
            if answers:
                response.answer.append(
                    dns.rrset.from_text("example.org.", 60, "IN", "A", "198.18.0.1")
                )
            listening.sendto(response.to_wire(), client)

        thread = threading.Thread(target=answer)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(("flags", "validated"), [(dns.flags.AD, True), (0, False)])
def test_an_answer_is_validated_by_its_flag(flags: int, validated: bool) -> None:
    with name_server(flags, answers=True) as port:
        assert SystemResolver(port).is_validated("127.0.0.1", "example.org") is validated


def test_an_answer_without_an_address_is_an_error() -> None:
    with name_server(dns.flags.AD, answers=False) as port, pytest.raises(OSError, match="address"):
        SystemResolver(port).is_validated("127.0.0.1", "example.org")


class Waited(Exception):
    """It would wait."""


def wait(_: float) -> None:
    """End what would wait for ever."""
    raise Waited


def test_outside_docker_it_waits_for_ever_but_for_mailus_switch(tmp_path: Path) -> None:
    marker = tmp_path / ".dockerenv"
    with pytest.raises(Waited):
        wait_for_docker({}, marker, wait)
    wait_for_docker({FITS: "1"}, marker, wait)
    marker.touch()
    wait_for_docker({}, marker, wait)


def started(**environment: str) -> subprocess.CompletedProcess[str]:
    """Start the program with this environment, and return how it ended."""
    return subprocess.run(
        [sys.executable, "-m", "lab.mailu.admin"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(checkout()), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_program_says_that_it_is_a_stand_in_and_refuses_unknown_settings() -> None:
    ended = started(**LEAST, WEBMAIL_COLOUR="red")
    assert ended.returncode == 1
    assert "stand-in" in ended.stderr
    assert "WEBMAIL_COLOUR" in ended.stderr
