"""Connections of one reconciler, with those of its operations, through which nothing may pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote, urlsplit

SOCKET = ".s.PGSQL.5432"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
CHUNK = 65_536


class Wire:
    """Passes on what a reconciler and a server say to each other."""

    def __init__(self, connect: Callable[[], Awaitable[Streams]]) -> None:
        self._connect = connect
        self._passes = asyncio.Event()
        self._passes.set()
        self._open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on, until either side ends it."""
        with suppress(OSError):
            there, back = await self._connect()
            self._open |= {writer, back}
            pumps = [
                asyncio.ensure_future(self._pump(reader, back)),
                asyncio.ensure_future(self._pump(there, writer)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._open -= {writer, back}
            back.close()
        writer.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(CHUNK):
            await self._passes.wait()
            sink.write(data)
            await sink.drain()

    async def cut(self, seconds: float, *, resets: bool) -> None:
        """Let nothing pass for a time. Then all comes late, or each connection breaks."""
        self._passes.clear()
        await asyncio.sleep(seconds)
        if resets:
            for writer in self._open:
                writer.transport.abort()
        self._passes.set()


class Wires:
    """All connections of one reconciler."""

    def __init__(
        self, database: Wire, providers: tuple[Wire, Wire], new: Mapping[str, str]
    ) -> None:
        """`new` has by each place in a URL the one that leads through a wire."""
        self.database = database
        self.providers = providers
        self._new = new

    def through(self, url: str) -> str:
        """Return the URL of the same server that leads through a wire."""
        for old, new in self._new.items():
            url = url.replace(old, new)
        return url


@asynccontextmanager
async def wired(directory: Path, socket: Path, providers: tuple[str, str]) -> AsyncIterator[Wires]:
    """Serve wires to a database, by the directory of its socket, and to both providers' URLs.

    `directory` gets the socket by which the reconciler connects.
    """
    async with AsyncExitStack() as stack:
        database = Wire(lambda: asyncio.open_unix_connection(socket / SOCKET))
        own = await asyncio.start_unix_server(database.serve, directory / SOCKET)
        stack.callback(own.close)
        new = {quote(str(socket), safe=""): quote(str(directory), safe="")}
        wires = []
        for url in providers:
            wire = Wire(_to(url))
            server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
            stack.callback(server.close)
            port = server.sockets[0].getsockname()[1]
            new[urlsplit(url).netloc] = f"127.0.0.1:{port}"
            wires.append(wire)
        yield Wires(database, (wires[0], wires[1]), new)


def _to(url: str) -> Callable[[], Awaitable[Streams]]:
    place = urlsplit(url)
    return lambda: asyncio.open_connection(place.hostname, place.port)
