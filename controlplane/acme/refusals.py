"""What it means that an authority has not granted a request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar

from acme import errors, messages

from controlplane.clock import now
from controlplane.reconciler.authority import Refused, Trouble
from kit.faults import first_line

BAD_NONCE = "badNonce"
NONCES = 5
"""Rejected nonces after which a request is given up; the library tries each twice."""
MEANINGS = {
    "rateLimited": Trouble.LIMITED,
    "accountDoesNotExist": Trouble.NO_ACCOUNT,
    "serverInternal": Trouble.PASSING,
    BAD_NONCE: Trouble.PASSING,
}
"""By the type of a problem; any other is a refusal."""

T = TypeVar("T")


def tried_again(ask: Callable[[], T]) -> T:
    """Ask, and again when the authority does not know a nonce any more (RFC 8555 6.5)."""
    for _ in range(NONCES - 1):
        try:
            return ask()
        except errors.BadNonce:
            continue
        except messages.Error as error:
            if error.code != BAD_NONCE:
                raise
    return ask()


def refused(error: Exception, retry_after: str | None) -> Refused:
    """Return what an error of the library means; what is no problem document is passing."""
    trouble = Trouble.PASSING
    if isinstance(error, messages.Error):
        trouble = MEANINGS.get(error.code or "", Trouble.REFUSED)
    seconds = seconds_of(retry_after)
    wait = None if seconds is None else timedelta(seconds=seconds)
    return Refused(trouble, text_of(error), wait)


def text_of(error: Exception) -> str:
    """Return what an error says: a problem's type and detail, or the status of an answer."""
    if isinstance(error, messages.Error):
        return f"{error.code or error.typ}: {error.detail or error.title or 'no reason'}"
    for status in (getattr(argument, "status_code", None) for argument in error.args):
        if status is not None:
            return f"HTTP {status}"
    return first_line(error, type(error).__name__)


def seconds_of(retry_after: str | None, clock: Callable[[], datetime] = now) -> float | None:
    """Return the seconds of a Retry-After header, which has a number or a date (RFC 9110)."""
    if not retry_after:
        return None
    try:
        if retry_after.isdecimal():
            return float(retry_after)
        at: datetime = parsedate_to_datetime(retry_after)
        return max(0.0, (at.astimezone(UTC) - clock()).total_seconds())
    except (ValueError, OverflowError):
        return None
