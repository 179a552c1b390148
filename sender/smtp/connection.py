"""One authenticated connection to a host, over which mails are handed over one after the other.

A mail's intent is committed when the host waits for its content, right before its last bytes. The
next mail's envelope may go out while the last one's answer is awaited (RFC 2920); as its content
cannot, at most one mail of a connection is ever between its intent and its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sender.smtp.channel import REFUSALS, Channel
from sender.smtp.limits import Limits
from sender.smtp.mail import Mail
from sender.smtp.outcomes import Begin, Outcome, Result, Stage, accepted, refused
from sender.smtp.replies import Reply

ENVELOPE = (Stage.MAIL, Stage.RCPT, Stage.DATA)
CLOSING, DONE, GO_AHEAD = 221, 250, 354
POSITIVE = ((DONE,), (DONE, 251), (GO_AHEAD,))
"""Codes that let the envelope go on."""
WITHDRAWN = ("connection_lost", "given up: the answer to the mail before did not come")


class Connection:
    """Belongs to one mail at a time, from its MAIL to its last bytes."""

    def __init__(
        self,
        transport: asyncio.Transport,
        extensions: Mapping[str, str],
        limits: Limits,
        now: Callable[[], float],
        when_lost: Callable[[Connection], None],
    ) -> None:
        """Take over a transport after the login; `when_lost` is called once, at the end."""
        self._limits = limits
        self._is_pipelining = "pipelining" in extensions
        self._is_8bit = "8bitmime" in extensions
        self._has_size = "size" in extensions
        size = extensions.get("size", "").strip()
        self._largest = int(size) if size.isdecimal() else 0
        self._is_leaving = False
        self.used = 0
        """Mails that it was given."""
        self._channel = Channel(now, lambda: when_lost(self))
        self._channel.take_over(transport)

    @property
    def is_broken(self) -> bool:
        """Whether it is over."""
        return self._channel.broken is not None

    @property
    def is_usable(self) -> bool:
        """Whether it may be given another mail."""
        return not (self.is_broken or self._is_leaving) and self.used < self._limits.mails

    @property
    def is_quiet(self) -> bool:
        """Whether no reply is awaited."""
        return self._channel.is_quiet

    @property
    def since(self) -> float:
        """Since when the oldest reply is awaited, or since when none is."""
        return self._channel.since

    async def hand_over(
        self, mail: Mail, begin: Begin, release: Callable[[Connection], None]
    ) -> Outcome:
        """Hand one mail over; raises what `begin` raises.

        `release` is called as soon as the connection can be given another mail.
        """
        self.used += 1
        try:
            outcome = await self._announce(mail) or await self._send_ahead(mail.head)
            if outcome is None:
                await begin()
        except BaseException:  # without its last bytes nothing is delivered
            self._leave()
            raise
        if outcome is None and self.is_broken:
            outcome = self._lost(Stage.CONTENT, begun=True)
        if outcome is not None:
            release(self)
            return outcome
        return await self._finish(mail.tail, release)

    def quit(self) -> asyncio.Future[Any]:
        """Say goodbye; the connection ends with the reply or soon, and then the future is done."""
        self._is_leaving = True
        goodbye = self._channel.ask(b"QUIT\r\n", ((CLOSING,),), self._limits.farewell)
        goodbye.add_done_callback(lambda _: self.close())
        return goodbye

    def close(self) -> None:
        """End at once."""
        self._channel.fail("connection_lost", "closed by the sender")

    def withdraw(self) -> None:
        """Give a mail back that waits behind another one's answer, and take no more."""
        if self._channel.is_behind:
            self._is_leaving = True
            self._channel.withdraw()

    def _leave(self) -> None:
        self._is_leaving = True
        self._channel.leave()

    async def _announce(self, mail: Mail) -> Outcome | None:
        """Run MAIL, RCPT and DATA; None when the host waits for the content."""
        if self._largest and mail.size > self._largest:
            words = f"the mail has {mail.size} octets, the host takes {self._largest}"
            return Outcome(Result.CONTENT, "too_big", words, Stage.MAIL, usable=True)
        replies = await self._ask_all(self._envelope(mail))
        for stage, positive, reply in zip(ENVELOPE, POSITIVE, replies, strict=False):
            if reply.code not in positive:
                return await self._refused(stage, reply, replies)
        if len(replies) < len(ENVELOPE):
            return self._lost(ENVELOPE[len(replies)])
        return self._lost(Stage.DATA) if self.is_broken else None

    def _envelope(self, mail: Mail) -> Sequence[bytes]:
        size = b" SIZE=%d" % mail.size if self._has_size else b""
        body = b" BODY=8BITMIME" if self._is_8bit and not mail.is_ascii else b""
        return (
            b"MAIL FROM:<%b>%b%b\r\n" % (mail.sender, size, body),
            b"RCPT TO:<%b>\r\n" % mail.recipient,
            b"DATA\r\n",
        )

    async def _ask_all(self, commands: Sequence[bytes]) -> list[Reply]:
        """Send commands together where the host allows it, else one by one up to a refusal."""
        limit = self._limits.command
        if self._is_pipelining:
            return await self._channel.ask(b"".join(commands), POSITIVE, limit)
        replies: list[Reply] = []
        for command, positive in zip(commands, POSITIVE, strict=True):
            replies += await self._channel.ask(command, (positive,), limit)
            if self.is_broken or replies[-1].code not in positive:
                break
        return replies

    async def _refused(self, stage: Stage, reply: Reply, replies: Sequence[Reply]) -> Outcome:
        """Read a refusal of the envelope, and make the connection ready for another mail."""
        if reply.code not in REFUSALS:
            return self._lost(stage)
        if any(other.code == GO_AHEAD for other in replies):
            words = "it waits for the content of a mail that it refused"
            self._channel.fail("protocol_violation", words)
        await self._reset()
        return refused(stage, reply, usable=not self.is_broken)

    async def _reset(self) -> None:
        """Forget the mail that was refused; the next one need not wait for the reply."""
        limit = self._limits.command
        if self._is_pipelining:
            self._channel.tell(b"RSET\r\n", ((DONE,),), limit, self._after_reset)
        else:
            self._after_reset(await self._channel.ask(b"RSET\r\n", ((DONE,),), limit))

    def _after_reset(self, replies: Sequence[Reply]) -> None:
        """Break unless the host has forgotten the mail that it refused."""
        if replies and replies[0].code != DONE:
            self._channel.fail("connection_lost", f"to RSET it answered {replies[0]}")

    async def _send_ahead(self, head: bytes) -> Outcome | None:
        """Send what comes before the last bytes."""
        if head:
            await self._channel.send(head, self._limits.block)
        return self._lost(Stage.CONTENT) if self.is_broken else None

    async def _finish(self, tail: bytes, release: Callable[[Connection], None]) -> Outcome:
        """Send the last bytes and wait for the answer, meanwhile lending the connection."""
        if self._is_pipelining:
            with self._channel.together():  # with the envelope of a mail that waits for this
                answer = self._ask_end(tail)
                release(self)
            return self._answered(await answer)
        answer = self._ask_end(tail)
        try:
            outcome = self._answered(await answer)
        except asyncio.CancelledError:
            self._leave()
            raise
        release(self)
        return outcome

    def _ask_end(self, tail: bytes) -> asyncio.Future[list[Reply]]:
        return self._channel.ask(tail, ((DONE,),), self._limits.answer, is_answer=True)

    def _answered(self, replies: Sequence[Reply]) -> Outcome:
        if not replies:
            return self._lost(Stage.ANSWER, begun=True)
        [reply] = replies
        if reply.code == DONE:
            return accepted(reply, usable=not self.is_broken)
        if reply.code in REFUSALS:
            return refused(Stage.ANSWER, reply, begun=True, usable=not self.is_broken)
        return self._lost(Stage.ANSWER, begun=True)

    def _lost(self, stage: Stage, *, begun: bool = False) -> Outcome:
        """Return the outcome of a mail during which the connection broke."""
        broken = self._channel.broken
        reason, words = (broken.reason, str(broken)) if broken else WITHDRAWN
        if stage is Stage.ANSWER:
            return Outcome(Result.UNKNOWN, "answer_lost", words, stage, begun=begun)
        return Outcome(Result.BROKEN, reason, words, stage, begun=begun)
