"""The receiver, as a process: speaks SMTP as fast as it can, and keeps who got mail and when.

It listens on one port for all addresses of 127.0.0.0/8, so that each sending address has one of its
own. Commands come as lines on standard input: `dump` prints what was received since the last one.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, cast

from tests.bench.sender.loops import runner

SAMPLE = 500
"""Every mail of this number is kept whole."""
END = b"\r\n.\r\n"
EXTENSIONS = ("sink.example", "PIPELINING", "SIZE 50000000", "8BITMIME", "ENHANCEDSTATUSCODES")


class Received:
    """What came since the last dump."""

    def __init__(self) -> None:
        self.recipients: list[str] = []
        self.times: list[float] = []
        """When each was answered."""
        self.samples: list[str] = []
        self.connections = 0

    def mail(self, recipient: bytes, content: bytes) -> None:
        """Take a mail over."""
        if len(self.recipients) % SAMPLE == 0:
            self.samples.append(b64encode(content).decode())
        self.recipients.append(recipient.decode())

    def dump(self) -> dict[str, Any]:
        """Return everything, and forget it."""
        found = dict(vars(self))
        self.__init__()  # type: ignore[misc] # the same as at the start
        return found


class Host:
    """What all connections share."""

    def __init__(self, login: str, context: ssl.SSLContext, delay: float) -> None:
        self.auth = b"AUTH PLAIN " + b64encode(login.encode())
        self.context = context
        self.delay = delay
        """Seconds before each reply."""
        self.received = Received()


class Dialogue(asyncio.Protocol):
    """One connection."""

    def __init__(self, host: Host, *, needs_tls: bool) -> None:
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._needs_tls = needs_tls
        self._is_open = not needs_tls
        """MAIL is allowed."""
        self._is_upgrading = False
        self._is_leaving = False
        self._buffer = b""
        self._in_content = False
        self._recipient = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._host.received.connections += 1
        self._later(self._write, b"220 sink.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._is_upgrading:  # asyncio passes data on before `start_tls` has returned
            self._work()

    def _work(self) -> None:
        """Answer what is complete; the replies to a segment go out together."""
        replies, taken = b"", 0
        while not self._is_upgrading:
            if self._in_content:
                end = self._buffer.find(END)
                if end < 0:
                    break
                content, self._buffer = self._buffer[: end + 2], self._buffer[end + len(END) :]
                self._in_content = False
                self._host.received.mail(self._recipient, content)
                taken += 1
                number = len(self._host.received.recipients)
                replies += b"250 2.0.0 Ok: queued as %010X\r\n" % number
                continue
            line, found, rest = self._buffer.partition(b"\r\n")
            if not found:
                break
            self._buffer = rest
            replies += self._command(line)
        if replies:
            self._later(self._reply, replies, taken)

    def _command(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"EHLO":
            more = "STARTTLS" if self._needs_tls else "AUTH PLAIN"
            lines = (*EXTENSIONS, more)
            text = "".join(f"250-{one}\r\n" for one in lines[:-1]) + f"250 {lines[-1]}\r\n"
            return text.encode()
        if verb == b"STAR" and self._needs_tls:
            self._is_upgrading = True
            self._later(self._start_tls)
            return b""
        if verb == b"AUTH":
            self._is_open = line == self._host.auth
            return b"235 2.7.0 welcome\r\n" if self._is_open else b"535 5.7.8 refused\r\n"
        if verb == b"QUIT":
            self._is_leaving = True
            return b"221 2.0.0 bye\r\n"
        if not self._is_open:
            return b"530 5.7.0 not yet\r\n"
        if verb == b"MAIL":
            return b"250 2.1.0 ok\r\n"
        if verb == b"RCPT":
            self._recipient = line[line.index(b"<") + 1 : line.index(b">")]
            return b"250 2.1.5 ok\r\n"
        if verb == b"DATA":
            self._in_content = True
            return b"354 go ahead\r\n"
        return b"250 2.0.0 ok\r\n" if verb == b"RSET" else b"500 5.5.1 unknown\r\n"

    def _start_tls(self) -> None:
        assert self._transport is not None
        self._write(b"220 2.0.0 go ahead\r\n")
        self._needs_tls = False
        if not self._transport.is_closing():
            task = self._loop.create_task(self._upgrade(self._transport))
            TASKS.add(task)
            task.add_done_callback(TASKS.discard)

    async def _upgrade(self, transport: asyncio.Transport) -> None:
        try:
            upgraded = await self._loop.start_tls(
                transport, self, self._host.context, server_side=True
            )
        except OSError:
            return
        self._transport = upgraded
        self._is_upgrading = False
        self._work()

    def _later(self, step: Callable[..., None], *values: bytes | int) -> None:
        if self._host.delay:
            self._loop.call_later(self._host.delay, step, *values)
        else:
            step(*values)

    def _reply(self, replies: bytes, taken: int) -> None:
        """Answer, also to the ends of so many mails."""
        self._host.received.times += [time.time()] * taken
        self._write(replies)
        if self._is_leaving and self._transport is not None:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


TASKS: set[asyncio.Task[None]] = set()
"""Handshakes under way."""


def context_of(chains: Mapping[str, str]) -> ssl.SSLContext:
    """Return what picks the certificate by the name that a client asks for."""
    contexts = {}
    for name, path in chains.items():
        contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        contexts[name].minimum_version = ssl.TLSVersion.TLSv1_3
        contexts[name].load_cert_chain(path)

    def pick(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        connection.context = contexts[name or ""]

    first = next(iter(contexts.values()))
    first.sni_callback = pick
    return first


async def serve(port: int, plain_port: int, chains: Mapping[str, str], **shared: Any) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    host = Host(context=context_of(chains), **shared)
    await loop.create_server(lambda: Dialogue(host, needs_tls=True), "0.0.0.0", port, backlog=2048)  # noqa: S104 - a port of the loopback network
    await loop.create_server(lambda: Dialogue(host, needs_tls=False), "127.0.0.1", plain_port)
    print(json.dumps("ready"), flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(host.received.dump()), flush=True)


if __name__ == "__main__":
    settings = json.loads(sys.stdin.readline())
    runner(settings.pop("loop"))(serve(**settings))
