"""A resolver is proven by what it answers for a signed and for a broken name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from tests.support.playbook_modules import load

from .test_measured_clock import LOCAL, bound

resolver = load("validating_resolver")
SIGNED, BROKEN = "example.org", "dnssec-failed.org"
Answer = Callable[[dns.message.Message], None]


def answers(response: dns.message.Message) -> None:
    name = response.question[0].name
    response.answer.append(dns.rrset.from_text(name, 60, "IN", "SOA", ". . 1 1 1 1 1"))


def validates(response: dns.message.Message) -> None:
    answers(response)
    response.flags |= dns.flags.AD


def fails(response: dns.message.Message) -> None:
    response.set_rcode(dns.rcode.SERVFAIL)


def has_none(_: dns.message.Message) -> None:
    """Leave the answer empty."""


@contextmanager
def resolving(names: Mapping[str, Answer]) -> Iterator[int]:
    """Answer the questions for these names, each as often as it is asked."""
    with bound() as stream:
        stream.settimeout(0.05)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    data, client = stream.recvfrom(4096)
                except TimeoutError:
                    continue
                question = dns.message.from_wire(data)
                assert question.flags & dns.flags.AD
                response = dns.message.make_response(question)
                names[question.question[0].name.to_text(omit_final_dot=True)](response)
                stream.sendto(response.to_wire(), client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield stream.getsockname()[1]
        ended.set()
        thread.join()


@pytest.mark.parametrize(
    ("signed", "broken", "reason"),
    [
        (validates, fails, None),
        (answers, fails, f"{LOCAL} answers {SIGNED} without validation"),
        (fails, fails, f"{LOCAL} answers {SIGNED} with SERVFAIL"),
        (has_none, fails, f"{LOCAL} answers {SIGNED} with NOERROR"),
        (validates, answers, f"{LOCAL} answers {BROKEN}, whose signature is broken"),
    ],
)
def test_resolver_validates_or_its_answer_is_named(
    signed: Answer, broken: Answer, reason: str | None
) -> None:
    with resolving({SIGNED: signed, BROKEN: broken}) as port:
        assert resolver.unproven(LOCAL, SIGNED, BROKEN, 0.0, port) == reason


def test_resolver_that_has_just_started_is_asked_again() -> None:
    left = [fails, answers, validates]
    with resolving({SIGNED: lambda made: left.pop(0)(made), BROKEN: fails}) as port:
        assert resolver.unproven(LOCAL, SIGNED, BROKEN, 30.0, port) is None
    assert left == []


def test_resolver_that_does_not_run_is_named() -> None:
    with bound() as stream:
        port = stream.getsockname()[1]
    reason = resolver.unproven(LOCAL, SIGNED, BROKEN, 0.0, port)
    assert reason is not None
    assert reason.startswith(f"{LOCAL} does not answer {SIGNED}: ")
