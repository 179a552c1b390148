"""What counts as the response to a question, among all that reaches this machine."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import dns.message
import pytest

from controlplane.verification.datagrams import Datagrams, Place
from controlplane.verification.wire import parse, question_for

from .name_server import IP

Reply = Callable[[bytes, Place, "Server"], None]


class Server(asyncio.DatagramProtocol):
    """A server that replies as a test says, and knows from where it was asked."""

    def __init__(self) -> None:
        self.reply: Reply = right
        self.asked_from: list[Place] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport  # asyncio's own is none by its type
        self.place: Place = transport.get_extra_info("sockname")

    def datagram_received(self, data: bytes, sender: Place) -> None:
        self.asked_from.append(sender)
        self.reply(data, sender, self)


def right(query: bytes, sender: Place, server: Server) -> None:
    server.transport.sendto(answer_to(query), sender)


def answer_to(query: bytes) -> bytes:
    return dns.message.make_response(dns.message.from_wire(query)).to_wire()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        Server, local_addr=(IP, 0)
    )
    yield server
    transport.close()


async def ask(datagrams: Datagrams, place: Place, name: str, seconds: float = 20) -> str:
    question = question_for(name, "A")
    wire = await datagrams.ask(place, question, flags=0, edns=True, seconds=seconds)
    return parse(wire).name


async def test_questions_at_the_same_time_share_a_socket_and_each_has_its_answer(server) -> None:
    datagrams, names = Datagrams(), [f"n{number}.example" for number in range(50)]
    answers = await asyncio.gather(*(ask(datagrams, server.place, name) for name in names))
    assert answers == names
    assert len(set(server.asked_from)) == 1


async def test_answers_in_another_order_reach_their_questions(server) -> None:
    queries: list[bytes] = []

    def last_first(query: bytes, sender: Place, server: Server) -> None:
        queries.append(query)
        if len(queries) == 3:
            for each in reversed(queries):
                right(each, sender, server)

    server.reply = last_first
    datagrams, names = Datagrams(), ["a.example", "b.example", "c.example"]
    answers = await asyncio.gather(*(ask(datagrams, server.place, name) for name in names))
    assert answers == names


def of_another_id(query: bytes) -> bytes:
    answer = answer_to(query)
    return bytes((answer[0] ^ 1, *answer[1:]))


def of_another_question(query: bytes) -> bytes:
    return answer_to(query).replace(b"\x01a\x07example", b"\x01b\x07example")


def query_itself(query: bytes) -> bytes:
    return query


@pytest.mark.parametrize("other", [of_another_id, of_another_question, query_itself, lambda _: b""])
async def test_what_is_no_response_to_the_question_is_passed_over(server, other) -> None:
    def both(query: bytes, sender: Place, server: Server) -> None:
        server.transport.sendto(other(query), sender)
        right(query, sender, server)

    server.reply = both
    assert await ask(Datagrams(), server.place, "a.example") == "a.example"


async def test_response_from_elsewhere_is_passed_over(server) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
        elsewhere.bind((IP, 0))

        def from_elsewhere(query: bytes, sender: Place, server: Server) -> None:
            del server
            elsewhere.sendto(answer_to(query), sender)

        server.reply = from_elsewhere
        with pytest.raises(TimeoutError):
            await ask(Datagrams(), server.place, "a.example", seconds=0.2)


async def test_port_that_is_closed_is_a_question_without_an_answer() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((IP, 0))
        closed = probe.getsockname()
    datagrams = Datagrams()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await ask(datagrams, closed, "a.example", seconds=0.1)


async def test_no_socket_stays_open_after_the_last_question(server) -> None:
    datagrams, asked = Datagrams(), asyncio.Event()
    server.reply = lambda *_: asked.set()
    with pytest.raises(TimeoutError):
        await ask(datagrams, server.place, "a.example", seconds=0.1)
    asked.clear()
    asking = asyncio.create_task(ask(datagrams, server.place, "b.example"))
    await asked.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert datagrams._channels == {}
