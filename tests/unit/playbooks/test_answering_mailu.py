"""A part of Mailu works when it does what the others need, and else says what it does instead."""

from __future__ import annotations

import os
import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.playbook_modules import load

module = load("answering_mailu")


@contextmanager
def serving(*replies: str) -> Iterator[int]:
    """Answer a connection: the first reply at once where it is a greeting, then one a line."""

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            rest = list(replies)
            if rest and rest[0].startswith("220"):
                self.wfile.write(f"{rest.pop(0)}\r\n".encode())
            for line in self.rfile:
                if line.strip() == b"QUIT" or not rest:
                    return
                self.wfile.write(f"{rest.pop(0)}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


def test_application_that_answers_a_ping_works() -> None:
    with serving("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n") as port:
        module.admin("127.0.0.1", port)


def test_application_that_fails_or_is_silent_does_not() -> None:
    with serving("HTTP/1.1 502 Bad\r\n") as port, pytest.raises(module.NotYet, match="with 502"):
        module.admin("127.0.0.1", port)
    with pytest.raises(module.NotYet, match="refused"):
        module.admin("127.0.0.1", port)


@pytest.mark.parametrize(
    "refusal",
    [
        "554 5.7.1 <postmaster@stranger.invalid>: Relay access denied",
        "454 4.7.1 <postmaster@stranger.invalid>: Relay access denied",
        "450 4.1.2 <postmaster@stranger.invalid>: Recipient address rejected: Domain not found",
    ],
)
def test_mail_of_a_stranger_to_a_stranger_is_refused(refusal: str) -> None:
    with serving("220 mx ESMTP", "250 mx", "250 ok", refusal) as port:
        module.mail("127.0.0.1", port)


@pytest.mark.parametrize(
    "replies",
    [
        ("250 ok", "451 4.7.1 Service unavailable"),
        ("451 4.7.1 Service unavailable", "503 5.5.1 need MAIL command"),
        ("554 5.7.1 Access denied", "503 5.5.1 need MAIL command"),
        ("250 ok", "250 2.1.5 Ok"),
        ("250 ok", "454 4.7.0 TLS not available"),
        ("250 ok", "450 4.4.3 Host not found, try again"),
    ],
    ids=["put off", "milter is away", "unwelcome", "open relay", "no TLS", "no name server"],
)
def test_mail_that_is_put_off_or_taken_is_shown_with_the_answer(replies: tuple[str, ...]) -> None:
    [shown] = [reply for reply in replies if not reply.startswith(("250 ok", "503"))]
    with (
        serving("220 mx ESMTP", "250 mx", *replies) as port,
        pytest.raises(module.NotYet, match=re.escape(f"with {shown}")),
    ):
        module.mail("127.0.0.1", port)


def test_port_without_a_greeting_is_not_there_yet() -> None:
    with serving() as port, pytest.raises(module.NotYet):
        module.mail("127.0.0.1", port, timeout=0.2)


ANSWER = ";; ->>HEADER<<- opcode: QUERY, status: {code}, id: 1\n;; flags: qr rd ra{ad}; QUERY: 1\n"


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (ANSWER.format(code="NOERROR", ad=" ad"), None),
        (ANSWER.format(code="NOERROR", ad=""), "without validation"),
        (ANSWER.format(code="SERVFAIL", ad=""), "example.org"),
        ("service resolver is not running", "is not running"),
    ],
)
def test_resolver_works_when_it_validates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, reason: str | None
) -> None:
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{output}\nEND\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if reason is None:
        module.resolver("/mailu", "example.org")
    else:
        with pytest.raises(module.NotYet, match=reason):
            module.resolver("/mailu", "example.org")


def test_part_is_asked_until_it_works() -> None:
    answers = [module.NotYet("starts"), module.NotYet("starts"), None]

    def asked() -> None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer

    module.wait_until(asked, 60, pause=0)
    assert answers == []


def test_part_that_does_not_work_in_time_is_shown_with_the_reason() -> None:
    def asked() -> None:
        raise module.NotYet("refused")

    with pytest.raises(module.NotYet, match="refused"):
        module.wait_until(asked, 0)
