"""All mail hosts in a process that is never ended.

`python -m tests.chaos.queue.receiver DIRECTORY NUMBER` starts so many. A host is an address of this
machine. A mail is received when its last bytes are here; it stands in the log, which survives a
power cut, before it is answered: a line with the job's id, from its Message-ID, and the mail's
number, from its subject. Standard input says how hosts behave by lines of an IP and a mode.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import ssl
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

DELAY = (0.02, 0.08)
"""Seconds before the answer to a mail, at least and at most."""
LINE = 1 << 20
"""Octets of a mail, at most."""
MESSAGE_ID = re.compile(rb"^Message-ID: <([0-9a-f]{32})@", re.IGNORECASE | re.MULTILINE)
SUBJECT = re.compile(rb"^Subject: mail (\d+)\r$", re.IGNORECASE | re.MULTILINE)
GONE = (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError)


class Mode(StrEnum):
    """How a host behaves."""

    WELL = "well"
    BUSY = "busy"
    """Refuses for now, at RCPT or after the mail."""
    SILENT = "silent"
    """Answers nothing before it is in another mode."""
    DROPPING = "dropping"
    """Takes mails, and closes connections instead of answering."""
    DARK = "dark"
    """Takes no connections, and those that there are end."""


class Log:
    """Lines that survive a power cut; those that come at the same time share an fsync."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._came = asyncio.Event()

    async def add(self, line: bytes) -> None:
        """Return when the line is on the disk."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((line, written))
        self._came.set()
        await written

    async def write(self) -> None:
        """Write what comes, for ever."""
        while await self._came.wait():
            self._came.clear()
            batch, self._waiting = self._waiting, []
            os.write(self._file, b"".join(line + b"\n" for line, _ in batch))
            await asyncio.to_thread(os.fsync, self._file)
            for _, written in batch:
                if not written.done():  # its connection is lost; it is received
                    written.set_result(None)


@dataclass
class Files:
    """Where the receiver finds and leaves things."""

    directory: Path

    @property
    def certificate(self) -> Path:
        """Certificate and key."""
        return self.directory / "tls.pem"

    @property
    def received(self) -> Path:
        """The log."""
        return self.directory / "received"

    @property
    def unanswered(self) -> Path:
        """Ids of jobs whose mail was received and not answered on purpose."""
        return self.directory / "unanswered"

    @property
    def port(self) -> Path:
        """Says that the receiver is ready, and where."""
        return self.directory / "port"


class Host:
    """One address."""

    def __init__(self, ip: str, context: ssl.SSLContext, received: Log, unanswered: Log) -> None:
        self.ip = ip
        self._context = context
        self._received = received
        self._unanswered = unanswered
        self._server: asyncio.Server | None = None
        self._mode = Mode.WELL
        self._changed = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()

    async def listen(self, port: int) -> int:
        """Take connections; return the port."""
        self._server = await asyncio.start_server(
            self._serve, self.ip, port, limit=LINE, backlog=1000
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def behave(self, mode: Mode, port: int) -> None:
        """Change the mode."""
        self._mode = mode
        self._changed.set()
        self._changed = asyncio.Event()
        if mode is Mode.DARK and self._server is not None:
            self._server.close()
            self._server = None
            for writer in self._writers:
                writer.transport.abort()
        elif mode is not Mode.DARK and self._server is None:
            await self.listen(port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._answer(writer, b"220 ready")
            while line := await reader.readline():
                if not await self._command(line.upper(), reader, writer):
                    break
        except GONE:
            pass  # what had no last bytes is not received
        finally:
            self._writers.discard(writer)
            with suppress(AttributeError):  # see STARTTLS
                writer.close()

    async def _command(
        self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer a command; return whether the dialogue goes on."""
        match line.split(maxsplit=1)[:1]:
            case [b"EHLO"]:
                is_inside = writer.get_extra_info("ssl_object") is not None
                offer = b"AUTH PLAIN" if is_inside else b"STARTTLS"
                await self._answer(writer, b"250-host\r\n250-PIPELINING\r\n250 " + offer)
            case [b"STARTTLS"]:
                await self._answer(writer, b"220 go on")
                try:
                    await writer.start_tls(self._context)
                except AttributeError as error:  # asyncio's, where a client ends meanwhile
                    raise ConnectionResetError from error
            case [b"AUTH"]:
                await self._answer(writer, b"235 welcome")
            case [b"DATA"]:
                await self._answer(writer, b"354 go on")
                return await self._take(await reader.readuntil(b"\r\n.\r\n"), writer)
            case [b"RCPT"] if self._mode is Mode.BUSY and random.random() < 0.5:  # noqa: S311 - no secret
                await self._answer(writer, b"451 4.3.0 busy")
                return False
            case [b"QUIT"]:
                await self._answer(writer, b"221 bye")
                return False
            case _:
                await self._answer(writer, b"250 ok")
        return True

    async def _take(self, mail: bytes, writer: asyncio.StreamWriter) -> bool:
        if self._mode is Mode.BUSY:
            await self._answer(writer, b"451 4.3.0 busy")
            return True
        job, number = _found(MESSAGE_ID, mail), _found(SUBJECT, mail)
        await self._received.add(job + b" " + number)
        await asyncio.sleep(random.uniform(*DELAY))  # noqa: S311 - no secret
        if self._mode in (Mode.DROPPING, Mode.DARK):
            await self._unanswered.add(job)
            return False
        await self._answer(writer, b"250 2.0.0 Ok: queued as " + job[:10].upper())
        return True

    async def _answer(self, writer: asyncio.StreamWriter, reply: bytes) -> None:
        while self._mode is Mode.SILENT:
            await self._changed.wait()
        writer.write(reply + b"\r\n")
        await writer.drain()


def _found(pattern: re.Pattern[bytes], mail: bytes) -> bytes:
    found = pattern.search(mail)
    return found[1] if found else b"none"


async def _obey(hosts: Sequence[Host], port: int) -> None:
    """Change modes as standard input says; returns at its end."""
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    by_ip = {host.ip: host for host in hosts}
    while line := await commands.readline():
        ip, mode = line.decode().split()
        await by_ip[ip].behave(Mode(mode), port)


def hosts(count: int) -> list[str]:
    """Return the addresses of so many hosts."""
    return [f"127.2.{number // 250}.{number % 250 + 1}" for number in range(count)]


async def main(files: Files, count: int) -> None:
    """Serve until standard input ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate)
    received, unanswered = Log(files.received), Log(files.unanswered)
    first, *others = found = [Host(ip, context, received, unanswered) for ip in hosts(count)]
    port = await first.listen(0)
    for host in others:
        await host.listen(port)
    async with asyncio.TaskGroup() as writing:
        for log in (received, unanswered):
            writing.create_task(log.write())
        ready = files.port.with_suffix(".new")
        ready.write_text(str(port))
        ready.rename(files.port)
        await _obey(found, port)
        os._exit(0)  # also where dialogues are open


if __name__ == "__main__":
    asyncio.run(main(Files(Path(sys.argv[1])), int(sys.argv[2])))
