"""A mail server outside that takes what Mailu sends, and keeps it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple, cast

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support.containers import Containers

SECONDS = 180.0


class Taken(NamedTuple):
    """A message with its envelope, and what its sender called itself."""

    sender: str
    recipients: list[str]
    content: bytes
    helo: str
    peer: str


class NextServer:
    """Keeps what it takes."""

    def __init__(self) -> None:
        self._mails: asyncio.Queue[Taken] = asyncio.Queue()

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        assert envelope.original_content is not None
        # Its type says str; of a TCP connection it is a pair.
        peer = cast("tuple[str, int]", session.peer)[0]
        taken = Taken(
            str(envelope.mail_from),
            list(envelope.rcpt_tos),
            envelope.original_content,
            str(session.host_name),
            peer,
        )
        self._mails.put_nowait(taken)
        return "250 2.0.0 Ok"

    async def mail(self, mark: str) -> Taken:
        """Return the message that contains a text; waits for it."""
        while True:
            taken = await asyncio.wait_for(self._mails.get(), SECONDS)
            if mark.encode() in taken.content:
                return taken


@asynccontextmanager
async def next_server(containers: Containers, port: int) -> AsyncIterator[NextServer]:
    """Run a server at the address that all names outside have."""
    taken = NextServer()
    listener = containers.listen(port)
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(taken), sock=listener)
    yield taken
    server.close()
