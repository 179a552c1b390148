"""Accepts TLS connections, each with the certificate of the name that its client asks for.

The name is read from a client's first message while that is still in the socket, so that its
certificate is looked up between two rounds of the event loop and not within one.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

OPENING = 10.0
"""Seconds in which a connection has to be encrypted."""
LIFE = 60.0
"""Seconds after which a connection is closed: no client keeps one for itself."""
MOST = 500
"""Connections at the same time; further ones are closed."""
PAUSE = 1.0
"""Seconds until the next attempt to accept, where the system has no room for a connection."""
MESSAGE = 2**16
"""Octets of which a first message has fewer."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Secure:
    """Where TLS connections come in, and what each name is shown."""

    listener: socket.socket
    context_of: Callable[[str | None], Awaitable[ssl.SSLContext | None]]
    """Returns the context for a name in lower case, and for clients that name none. None: they are
    refused by the alert `unrecognized_name`."""


@dataclass(frozen=True)
class Hello:
    """A client's first message."""

    name: str | None
    refusal: bytes
    """The alert that the name is not known here."""


async def accept(
    secure: Secure, protocol: Callable[[], asyncio.Protocol], connected: Callable[[], int]
) -> None:
    """Give each connection a protocol, until cancelled; `connected` counts those that have one."""
    loop, listener = asyncio.get_running_loop(), secure.listener
    listener.setblocking(False)
    opening: set[asyncio.Task[None]] = set()
    try:
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:
                log.warning("tls.not_accepted", error=str(error))
                await asyncio.sleep(PAUSE)
                continue
            if len(opening) + connected() >= MOST:
                connection.close()
                continue
            task = loop.create_task(_open(connection, secure, protocol))
            opening.add(task)
            task.add_done_callback(opening.discard)
    finally:
        for task in opening:
            task.cancel()
        listener.close()


async def _open(
    connection: socket.socket, secure: Secure, protocol: Callable[[], asyncio.Protocol]
) -> None:
    loop = asyncio.get_running_loop()
    context: ssl.SSLContext | None = None
    try:
        async with asyncio.timeout(OPENING):
            hello = await read_hello(connection)
            context = await secure.context_of(hello.name)
            if context is None:
                connection.recv(MESSAGE)  # else the system would reset the connection
                await loop.sock_sendall(connection, hello.refusal)
    except OSError:  # also of a client that has gone, or is silent
        context = None
    except Exception:
        log.exception("tls.failed")
        context = None
    finally:
        if context is None:
            connection.close()
    if context is None:
        return
    try:
        transport, _ = await loop.connect_accepted_socket(
            protocol, connection, ssl=context, ssl_handshake_timeout=OPENING
        )
    except OSError:  # of a client that does not like our certificate, or no TLS of this age
        return
    loop.call_later(LIFE, _close, weakref.ref(transport))


def _close(transport: Callable[[], asyncio.Transport | None]) -> None:
    if (still_there := transport()) is not None:
        still_there.close()


async def read_hello(connection: socket.socket) -> Hello:
    """Return the first message of a client, and leave it in the socket.

    Raises OSError where it is none of TLS, and where the client ends before all of it is there.
    """
    known = 0
    while True:
        await _readable(connection, known + 1)
        message = connection.recv(MESSAGE, socket.MSG_PEEK)
        if len(message) in (known, MESSAGE):
            raise ConnectionAbortedError("no whole message")
        hello = parse_hello(message)
        if hello is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
            return hello
        known = len(message)


def parse_hello(message: bytes) -> Hello | None:
    """Return what the beginning of a connection says; None: more of it is to come.

    Raises SSLError where it is none of TLS. OpenSSL reads it: a server that refuses every name.
    """
    names: list[str | None] = []

    def refuse(_connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int:
        names.append(name)
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = refuse
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(message)
    try:
        context.wrap_bio(incoming, outgoing, server_side=True).do_handshake()
    except ssl.SSLWantReadError:
        return None
    except ssl.SSLError:
        if not names:
            raise
    [name] = names
    return Hello(name.lower() if name else None, outgoing.read())


async def _readable(connection: socket.socket, octets: int) -> None:
    """Return when so many octets are there, or no more will come."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, octets)
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(connection, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(connection)
