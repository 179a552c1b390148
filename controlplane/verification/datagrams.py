"""Queries by UDP. Those that are open at one server at the same time share a socket."""

from __future__ import annotations

import asyncio
import secrets
import socket
from dataclasses import dataclass, field

from controlplane.verification.wire import is_response, query_for

LONGEST = 65_535
"""Octets of a datagram."""
Place = tuple[str, int]
"""Address and port of a server."""


@dataclass
class _Open:
    """A question without an answer yet."""

    question: bytes
    answer: asyncio.Future[bytes] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Datagrams:
    """Asks servers. A socket is closed with its last question, so that its port changes often."""

    def __init__(self) -> None:
        self._channels: dict[Place, _Channel] = {}

    async def ask(
        self, place: Place, question: bytes, *, flags: int, edns: bool, seconds: float
    ) -> bytes:
        """Return the response to a question; raises TimeoutError, OSError.

        What comes from elsewhere, has another ID or another question is no response (RFC 5452).
        """
        channel = self._channels.get(place)
        if channel is None:
            channel = self._channels[place] = _Channel(place)
        try:
            return await channel.ask(question, query_for(question, flags=flags, edns=edns), seconds)
        finally:
            if channel.is_idle and self._channels.get(place) is channel:
                del self._channels[place]
                channel.close()


class _Channel:
    """A socket that is connected, so that the system admits datagrams of this server only."""

    def __init__(self, place: Place) -> None:
        self._open: dict[int, _Open] = {}
        self._loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.connect(place)
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket, self._receive)

    @property
    def is_idle(self) -> bool:
        """Whether no question is open."""
        return not self._open

    def close(self) -> None:
        """Close the socket."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    async def ask(self, question: bytes, query: bytes, seconds: float) -> bytes:
        """Send a query but for its ID, and return the response."""
        id_ = secrets.randbits(16)
        while id_ in self._open:
            id_ = secrets.randbits(16)
        asked = self._open[id_] = _Open(question)
        try:
            self._send(id_.to_bytes(2) + query)
            async with asyncio.timeout(seconds):
                return await asked.answer
        finally:
            del self._open[id_]

    def _send(self, wire: bytes) -> None:
        try:
            self._socket.send(wire)
        except ConnectionRefusedError:
            self._socket.send(wire)  # that was said of an earlier one, and this one is not sent
        except BlockingIOError:
            pass  # as lost on the way

    def _receive(self) -> None:
        while True:
            try:
                wire = self._socket.recv(LONGEST)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                continue  # a server that is started again may answer the second try
            except OSError as error:
                for asked in self._open.values():
                    if not asked.answer.done():
                        asked.answer.set_exception(error)
                return
            one = self._open.get(int.from_bytes(wire[:2]))
            if one is not None and not one.answer.done() and is_response(wire, one.question):
                one.answer.set_result(wire)
