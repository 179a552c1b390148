"""A mail host that misbehaves on request, at any step of the dialogue."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from pathlib import Path

from controlplane.authority.certificates import create_ca, issue
from sender.clock import SystemClock
from sender.directory import SendingAddress

HELO = "mx1-2.acme.example"
STEPS = ("GREETING", "EHLO", "STARTTLS", "INSIDE", "AUTH", "MAIL", "RCPT", "DATA", "ANSWER")
GOOD = {
    "GREETING": "220 mx1-2 ESMTP",
    "STARTTLS": "220 2.0.0 go ahead",
    "AUTH": "235 2.7.0 welcome",
    "MAIL": "250 2.1.0 sender ok",
    "RCPT": "250 2.1.5 recipient ok",
    "DATA": "354 end with a dot",
    "RSET": "250 2.0.0 forgotten",
    "QUIT": "221 2.0.0 bye",
}


class Act(Enum):
    """What it does instead of answering."""

    CLOSE = "close"
    ANSWER_AND_CLOSE = "answer_and_close"
    SILENCE = "silence"
    LATE = "late"
    """It answers when the test lets it."""
    BYTES = "bytes"
    """It answers in segments of one octet."""
    NO_ANSWER = "no_answer"
    """It leaves the answer out and goes on."""


class Gone(Exception):
    """It has closed the connection."""


@dataclass
class Host:
    """Acts and replies by step and by how often the step came before."""

    ca_pem: str
    tls: ssl.SSLContext
    extensions: tuple[str, ...] = ("PIPELINING", "SIZE 1000000", "8BITMIME")
    port: int = 0
    plan: dict[tuple[str, int], Act | str | bytes] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    """Complete ones, whatever was answered."""
    taken: list[str] = field(default_factory=list)
    """Subjects of those that were answered with 250."""
    content: bytes = b""
    """Of the last mail, as far as it was received."""
    most: int | None = None
    """Mails of a connection, which is then closed at the next one's MAIL."""
    resumed: list[bool | None] = field(default_factory=list)
    """Whether each connection went on with the TLS session of an earlier one."""
    released: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def address(self, **changes: object) -> SendingAddress:
        """How to reach it."""
        return SendingAddress(
            name="mx1-2",
            ip="127.0.0.1",
            helo=HELO,
            port=self.port,
            username="mx1-2.acme",
            sealed_password="sealed",
            ca_pem=self.ca_pem,
        ).model_copy(update=changes)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Run one connection."""
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            with suppress(Gone, ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                await Dialogue(self, reader, writer).run()
        finally:
            self.tasks.discard(task)
            writer.transport.abort()


@dataclass
class Dialogue:
    """One connection."""

    host: Host
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    is_inside: bool = False
    is_refused: bool = False
    mails: int = 0
    out: bytes = b""

    async def run(self) -> None:
        """Answer until QUIT; replies to pipelined commands go out together."""
        await self.say("GREETING", GOOD["GREETING"])
        while True:
            if b"\n" not in self.reader._buffer:  # type: ignore[attr-defined] # nothing tells it
                await self.flush()
            line = (await self.reader.readuntil(b"\r\n")).decode().strip()
            self.host.lines.append(line)
            verb = line.partition(" ")[0]
            if verb == "EHLO":
                await self.greet()
            elif verb == "STARTTLS":
                await self.say(verb, GOOD[verb])
                await self.flush()
                if ("TLS", 0) in self.host.plan:
                    await self.reader.read(1)  # the client's first message has come
                    await self.say("TLS", "")
                    await self.flush()
                await self.writer.start_tls(self.host.tls)
                self.host.resumed.append(self.writer.get_extra_info("ssl_object").session_reused)
                self.is_inside = True
            elif verb == "DATA":
                await self.data()
            else:
                await self.command(verb)

    async def greet(self) -> None:
        names = [HELO, *self.host.extensions]
        if self.is_inside:
            names.append("AUTH PLAIN")
        else:
            names.append("STARTTLS")
        reply = "\r\n".join([*(f"250-{name}" for name in names[:-1]), f"250 {names[-1]}"])
        await self.say("INSIDE" if self.is_inside else "EHLO", reply)

    async def command(self, verb: str) -> None:
        if verb == "MAIL":
            self.is_refused = False
            if self.mails == self.host.most:
                raise Gone
            self.mails += 1
        is_out_of_order = verb == "RCPT" and self.is_refused
        code = await self.say(verb, "503 5.5.1 not now" if is_out_of_order else GOOD[verb])
        if verb in {"MAIL", "RCPT"} and code[:1] in "45":
            self.is_refused = True
        if verb == "QUIT":
            await self.flush()
            raise Gone

    async def data(self) -> None:
        code = await self.say(
            "DATA", "554 5.5.1 no recipients" if self.is_refused else GOOD["DATA"]
        )
        if not code.startswith("354"):
            return
        await self.flush()
        if ("CONTENT", self.host.counts["DATA"] - 1) in self.host.plan:
            await self.reader.read(1)  # some of it has come
            await self.say("CONTENT", "")
        content = b"\r\n"
        while not content.endswith(b"\r\n.\r\n"):
            chunk = await self.reader.read(65_536)
            if not chunk:
                raise Gone
            # What follows the mail's end is the next mail's envelope.
            content, end, rest = (content + chunk).partition(b"\r\n.\r\n")
            content += end
            self.host.content = content[2:]
            self.reader._buffer[:0] = rest  # type: ignore[attr-defined] # there is no unread
        mail = content[2:-3].replace(b"\r\n..", b"\r\n.").removeprefix(b".")
        self.host.mails.append(mail)
        subject = subject_of(mail)
        code = await self.say("ANSWER", f"250 2.0.0 Ok: queued as {subject}", before=subject)
        if code.startswith("250"):
            self.host.taken.append(subject)

    async def say(self, step: str, reply: str, before: str = "") -> str:
        """Do what the plan says, or answer; return what was answered."""
        count = self.host.counts[step]
        self.host.counts[step] += 1
        act = self.host.plan.get((step, count), reply)
        if act is Act.CLOSE:
            await self.flush()
            raise Gone
        if act is Act.SILENCE:
            await self.flush()
            await asyncio.Event().wait()
        if act is Act.NO_ANSWER:
            return reply
        if act is Act.LATE:
            await self.flush()
            await self.host.released.wait()
        if isinstance(act, str | bytes):
            text = act if isinstance(act, bytes) else act.encode()
            self.out += text + b"\r\n"
            return text.decode("latin-1")
        if act is Act.BYTES:
            await self.flush()
            for octet in reply.encode() + b"\r\n":
                self.writer.write(bytes([octet]))
                await self.writer.drain()
                await turn()
            return reply
        self.out += reply.encode() + b"\r\n"
        if act is Act.ANSWER_AND_CLOSE:
            await self.flush()
            if before:
                self.host.taken.append(before)
            raise Gone
        return reply

    async def flush(self) -> None:
        self.writer.write(self.out)
        self.out = b""
        await self.writer.drain()


async def turn() -> None:
    """Let everybody else of the loop do something."""
    future = asyncio.get_running_loop().create_future()
    future.get_loop().call_soon(future.set_result, None)
    await future


def mail(subject: str, body: str = "Hello\r\n") -> bytes:
    """A small mail."""
    return f"Subject: {subject}\r\n\r\n{body}".encode()


def subject_of(mail: bytes) -> str:
    """Its subject, which is also its queue id."""
    return mail.partition(b"\r\n")[0].removeprefix(b"Subject: ").decode()


@cache
def certificates() -> tuple[str, str]:
    """A CA, and key and certificate of the host; made once."""
    now = SystemClock().now()
    ca = create_ca("acme", now=now)
    leaf = issue(ca, HELO, now=now)
    return ca.certificate, leaf.private_key + leaf.certificate


def tls_of(chain: Path) -> ssl.SSLContext:
    """Return a server's TLS with a certificate, and keys of its own for tickets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context


@asynccontextmanager
async def running_host(directory: Path) -> AsyncIterator[Host]:
    """Run a host on a free port of this machine, in the test's own loop."""
    ca_pem, chain = certificates()
    path = directory / "tls.pem"
    path.write_text(chain)
    host = Host(ca_pem, tls_of(path))
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    host.port = server.sockets[0].getsockname()[1]
    yield host
    server.close()
    tasks = list(host.tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
