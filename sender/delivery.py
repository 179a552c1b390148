"""Hands a mail over by SMTP to the chosen egress address, and says exactly what is known after.

The one question that matters is whether the mail may be tried again: a refusal or a failure before
DATA says yes, a lost connection from DATA on leaves it unknown.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from aiosmtplib import SMTP, SMTPDataError, SMTPException, SMTPResponseException

from sender.clock import Clock
from sender.directory import SendingAddress

QUEUED_AS = re.compile(r"queued as ([0-9A-Za-z]{5,64})")
TOO_BIG = 552
PERMANENT = 500
REFUSALS = range(400, 600)
LONGEST_REPLY = 2000
"""Characters of a reply that are kept."""
SESSION_MESSAGES = 100
"""Messages over one connection before it is closed."""
LET_BE = timedelta(seconds=10)
"""How long an address that could not be reached is believed to be away."""
FORGOTTEN_AFTER = timedelta(hours=1)


class Result(StrEnum):
    """What came of a hand-over."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """Our host said no for now, or for a reason that may pass: tried again."""
    CONTENT = "content"
    """Our host will never take this very mail."""
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Outcome:
    """A result with its evidence."""

    result: Result
    reason: str
    reply: str
    queue_id: str | None = None


class Unreachable(Exception):
    """No connection to an address: refused, timed out, wrong certificate, wrong password."""

    def __init__(self, reason: str, reply: str) -> None:
        """Keep the stable reason and what was heard."""
        super().__init__(reply)
        self.reason = reason
        self.reply = reply


@dataclass(frozen=True)
class Trouble:
    """Why an address could not be reached, and until when that is believed."""

    reason: str
    reply: str
    until: datetime


@dataclass(eq=False)
class Session:
    """One authenticated connection."""

    address: SendingAddress
    client: SMTP
    used: int = 0
    idle_since: datetime | None = None

    async def hand_over(
        self,
        mail: bytes,
        *,
        sender: str,
        recipient: str,
        answer_timeout: float,
        begin: Callable[[], Awaitable[None]],
    ) -> Outcome:
        """Run MAIL, RCPT and DATA; afterwards the session is usable or closed.

        `begin` is awaited before DATA: where it raises, nothing is handed over.
        """
        self.used += 1
        try:
            await self.client.mail(sender)
            await self.client.rcpt(recipient)
        except SMTPResponseException as error:
            await self._reset()
            return _refused(error)
        except (SMTPException, OSError) as error:
            self.client.close()
            return Outcome(Result.REFUSED, "connection_lost", _words(error))
        except ValueError as error:  # what cannot stand in a command was not sent
            self.client.close()
            return Outcome(Result.CONTENT, "envelope_refused", _words(error))
        try:
            await begin()
        except Exception:
            await self._reset()
            raise
        try:
            response = await self.client.data(mail, timeout=answer_timeout)
        except (SMTPException, OSError) as error:
            if isinstance(error, SMTPDataError) and error.code in REFUSALS:
                await self._reset()
                return _refused(error)
            self.client.close()  # lost, or an answer that is neither a yes nor a no
            return Outcome(Result.UNKNOWN, "answer_lost", _words(error))
        found = QUEUED_AS.search(response.message)
        return Outcome(
            Result.ACCEPTED,
            "accepted",
            _storable(f"{response.code} {response.message}"),
            found.group(1) if found else None,
        )

    async def _reset(self) -> None:
        try:
            await self.client.rset()
        except (SMTPException, OSError):
            self.client.close()


class Pool:
    """Connections by address, kept while they are used often enough to be worth it."""

    def __init__(
        self, clock: Clock, *, connect_timeout: float, keep_alive: float, helo: str | None = None
    ) -> None:
        """Open nothing yet."""
        self._clock = clock
        self._timeout = timedelta(seconds=connect_timeout)
        self._keep_alive = timedelta(seconds=keep_alive)
        self._helo = helo
        self._idle: dict[SendingAddress, list[Session]] = {}
        """A session stands in one list only, or in none while a lane has it."""
        self._troubles: dict[SendingAddress, Trouble] = {}

    async def get(self, address: SendingAddress, password: str) -> Session:
        """Return an idle session or open one; raises `Unreachable`.

        A changed directory entry is another key, so old credentials are never used on. A silent
        host costs one lane at a time: the others hear at once what that one has heard.
        """
        waiting = self._idle.get(address, [])
        while waiting:
            session = waiting.pop()
            if await _answers(session):
                return session
        trouble = self._troubles.get(address)
        if trouble is not None:
            if trouble.until > self._clock.now():
                raise Unreachable(trouble.reason, trouble.reply)
            self._note(address, trouble.reason, trouble.reply, LET_BE + self._timeout)
        try:
            session = await self._open(address, password)
        except Unreachable as error:
            self._note(address, error.reason, error.reply, LET_BE)
            raise
        self._troubles.pop(address, None)
        return session

    def _note(self, address: SendingAddress, reason: str, reply: str, wait: timedelta) -> None:
        self._troubles[address] = Trouble(reason, reply, self._clock.now() + wait)

    def put(self, session: Session) -> None:
        """Take a session back; one that is closed or worn is forgotten."""
        if not session.client.is_connected:
            return
        if session.used >= SESSION_MESSAGES:
            session.client.close()
            return
        session.idle_since = self._clock.now()
        self._idle.setdefault(session.address, []).append(session)

    async def close_idle(self, *, everything: bool = False) -> None:
        """Say goodbye on connections that were idle too long, or on all of them."""
        now = self._clock.now()
        limit = now - self._keep_alive
        for address, trouble in list(self._troubles.items()):
            if trouble.until + FORGOTTEN_AFTER < now:
                del self._troubles[address]
        for address, sessions in list(self._idle.items()):
            old = [s for s in sessions if everything or (s.idle_since or limit) <= limit]
            for session in old:  # in place: a lane may be looking through this very list
                sessions.remove(session)
            if not sessions:
                del self._idle[address]
            for session in old:
                await _quit(session)

    async def _open(self, address: SendingAddress, password: str) -> Session:
        client = SMTP(
            hostname=address.ip,
            port=address.port,
            local_hostname=self._helo,
            timeout=self._timeout.total_seconds(),
            start_tls=False,
        )
        try:
            await client.connect()
            await client.starttls(
                server_hostname=address.helo, tls_context=_context(address.ca_pem)
            )
            await client.login(address.username, password)
        except ssl.SSLError as error:
            client.close()
            raise Unreachable("certificate_refused", _words(error)) from error
        except SMTPResponseException as error:
            client.close()
            reason = "login_refused" if error.code == 535 else "host_refused"
            raise Unreachable(reason, _storable(f"{error.code} {error.message}")) from error
        except (SMTPException, OSError) as error:
            client.close()
            raise Unreachable("unreachable", _words(error)) from error
        except BaseException:
            client.close()
            raise
        return Session(address, client)


@lru_cache(maxsize=1000)
def _context(ca_pem: str) -> ssl.SSLContext:
    """Trust the control plane's CA only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=ca_pem)
    return context


async def _answers(session: Session) -> bool:
    """Ask an idle session whether it still lives, before anything is written about a hand-over."""
    if not session.client.is_connected:
        return False
    try:
        await session.client.rset()
    except (SMTPException, OSError):
        session.client.close()
        return False
    return True


async def _quit(session: Session) -> None:
    try:
        await session.client.quit(timeout=2)
    except (SMTPException, OSError):
        session.client.close()


def _refused(error: SMTPResponseException) -> Outcome:
    """Read our own host's refusal; it is never evidence against a recipient."""
    reply = _storable(f"{error.code} {error.message}")
    if error.code == TOO_BIG or " 5.3.4 " in f" {error.message} ":
        return Outcome(Result.CONTENT, "too_big", reply)
    permanent = error.code >= PERMANENT
    return Outcome(Result.REFUSED, "host_refused" if permanent else "host_busy", reply)


def _words(error: BaseException) -> str:
    return _storable(str(error).strip() or "the connection broke")


def _storable(words: str) -> str:
    """Return words as PostgreSQL keeps them: no half characters, no NUL, of bounded length."""
    whole = words.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
    return whole[:LONGEST_REPLY]
