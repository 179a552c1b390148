"""What is handed over, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import NamedTuple

from sender.smtp.replies import Reply

QUEUED_AS = re.compile(r"queued as ([0-9A-Za-z]{5,64})")
TOO_BIG, SYNTAX = 552, 501
PERMANENT = 500
LONGEST_REPLY = 2000
"""Characters of a reply that are kept."""
UNPRINTABLE = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"
}
Begin = Callable[[], Awaitable[None]]
"""Commits the intent to deliver; awaited right before a mail's last bytes."""


class Envelope(NamedTuple):
    """Whom a mail is from and to, in the dialogue."""

    sender: str
    recipient: str


class Result(StrEnum):
    """What came of a hand-over."""

    ACCEPTED = "accepted"
    BUSY = "busy"
    """Our host refused for now."""
    BROKEN = "broken"
    """The host could not be reached, or the dialogue broke before the mail was complete."""
    REFUSED = "refused"
    """Our host refused permanently, whatever the mail: somebody must look at the host."""
    CONTENT = "content"
    """Our host will never take this very mail."""
    UNKNOWN = "unknown"
    """The mail was sent and its answer is lost: it may have been accepted."""


class Stage(StrEnum):
    """How far a hand-over went."""

    WAITING = "waiting"
    """Nothing was tried."""
    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    EHLO_INSIDE = "ehlo_inside_tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"
    """The mail was being sent; its end was not."""
    ANSWER = "answer"
    """The mail was sent."""


BEFORE_MAIL = frozenset(
    {
        Stage.WAITING,
        Stage.CONNECT,
        Stage.GREETING,
        Stage.EHLO,
        Stage.STARTTLS,
        Stage.EHLO_INSIDE,
        Stage.AUTH,
    }
)


class Outcome(NamedTuple):
    """A result with its evidence."""

    result: Result
    reason: str
    """A stable code."""
    reply: str
    """What the host answered, or what happened."""
    stage: Stage
    queue_id: str | None = None
    begun: bool = False
    """Whether the intent was committed."""
    usable: bool = False
    """Whether the connection could be used on."""


def refused(stage: Stage, reply: Reply, *, begun: bool = False, usable: bool = False) -> Outcome:
    """Read a refusal by our own host; it is never evidence against a recipient."""
    result, reason = _judged(stage, reply)
    return Outcome(result, reason, storable(reply), stage, begun=begun, usable=usable)


def _judged(stage: Stage, reply: Reply) -> tuple[Result, str]:
    if reply.code < PERMANENT:
        return Result.BUSY, "host_busy"
    if stage is Stage.AUTH:
        return Result.BROKEN, "login_refused"
    status = reply.status or ""
    if stage in BEFORE_MAIL:
        return Result.REFUSED, "host_refused"
    if status == "5.3.4" or (reply.code == TOO_BIG and not status):
        return Result.CONTENT, "too_big"
    if stage is Stage.RCPT and (status.startswith("5.1.") or (reply.code, status) == (SYNTAX, "")):
        return Result.CONTENT, "envelope_refused"
    if stage is Stage.ANSWER and (status.startswith("5.6.") or status == "5.4.6"):
        return Result.CONTENT, "content_refused"
    return Result.REFUSED, "host_refused"


def accepted(reply: Reply, *, usable: bool) -> Outcome:
    """Return the outcome of a mail that our host has taken over."""
    words = storable(reply)
    found = QUEUED_AS.search(words)
    queue_id = found.group(1) if found else None
    return Outcome(
        Result.ACCEPTED, "accepted", words, Stage.ANSWER, queue_id, begun=True, usable=usable
    )


def storable(words: object) -> str:
    """Return words as PostgreSQL and terminals take them: printable, of bounded length."""
    whole = str(words)
    if not whole.isprintable():
        whole = whole.encode("utf-8", "backslashreplace").decode().translate(UNPRINTABLE)
    return whole.strip()[:LONGEST_REPLY]
