"""What is written together: a mail's end and the envelope of the mail that waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sender.smtp.connection import Connection
from sender.smtp.limits import Limits
from sender.smtp.mail import Mail
from sender.smtp.outcomes import Envelope

PIPELINING = {"pipelining": ""}
ENVELOPE = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<%b>\r\nDATA\r\n"


class Wire(asyncio.Transport):
    """Keeps each write, and answers all commands and mails in it."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self._protocol = asyncio.Protocol()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))
        replies = b"250 ok\r\n" * self.written[-1].count(b"\r\n.\r\n")
        for command, reply in ((b"MAIL", b"250"), (b"RCPT", b"250"), (b"DATA", b"354")):
            replies += (reply + b" ok\r\n") * self.written[-1].count(command)
        asyncio.get_running_loop().call_soon(self._protocol.data_received, replies)

    def abort(self) -> None:
        """Nothing is left to end."""


async def hand_over(extensions: dict[str, str]) -> list[bytes]:
    """Hand two mails over, the second one waiting for the connection; return the writes."""
    wire = Wire()
    connection = Connection(wire, extensions, Limits(), lambda: 0.0, lambda _: None)
    released = asyncio.Event()

    async def begin() -> None:
        """Commit nothing."""

    async def one(name: str, release: Callable[[Connection], None]) -> None:
        mail = Mail.of(Envelope("a@b.example", name), name.encode() + b"\r\n")
        await connection.hand_over(mail, begin, release)

    async def second() -> None:
        await released.wait()
        await one("second", lambda _: None)

    await asyncio.gather(one("first", lambda _: released.set()), second())
    return wire.written


async def test_end_of_a_mail_goes_with_the_envelope_of_the_next_one() -> None:
    assert await hand_over(PIPELINING) == [
        ENVELOPE % b"first",
        b"first\r\n.\r\n" + ENVELOPE % b"second",
        b"second\r\n.\r\n",
    ]


async def test_host_without_pipelining_gets_one_command_at_a_time() -> None:
    written = await hand_over({})
    assert [one[:6] for one in written] == [
        b"MAIL F", b"RCPT T", b"DATA\r\n", b"first\r",
        b"MAIL F", b"RCPT T", b"DATA\r\n", b"second",
    ]  # fmt: skip
