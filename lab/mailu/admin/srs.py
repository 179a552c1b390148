"""The Sender Rewriting Scheme: `SRS0=HASH=DAY=domain=local@ours`."""

from __future__ import annotations

import hashlib
import hmac
import time
from base64 import b64encode
from collections.abc import Callable

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
DAYS = 1024
VALID_DAYS = 21


class Rewriter:
    """Rewrites envelope senders, and bounces back to them."""

    def __init__(self, secret: str, clock: Callable[[], float] = time.time) -> None:
        self._key = hmac.digest(secret.encode(), b"SRS", "sha256")
        self._clock = clock

    def forward(self, sender: str, domain: str) -> str:
        """Return a sender in our domain; one that is rewritten already keeps its first part."""
        local, _, host = sender.rpartition("@")
        if local.upper().startswith("SRS0="):
            rest = local[4:]
            return f"SRS1={self._hash(host, rest)}={host}={rest}@{domain}"
        if local.upper().startswith("SRS1="):
            _, _, first, rest = local.split("=", 3)
            return f"SRS1={self._hash(first, rest)}={first}={rest}@{domain}"
        day = self._day()
        return f"SRS0={self._hash(day, host, local)}={day}={host}={local}@{domain}"

    def reverse(self, recipient: str) -> str | None:
        """Return whose bounce it is; None for an address that we did not write, or long ago."""
        local = recipient.rpartition("@")[0]
        parts = local.split("=", 4)
        if local.upper().startswith("SRS1="):
            _, mark, host, rest = local.split("=", 3) if local.count("=") >= 3 else ("",) * 4
            known = bool(host) and self._same(mark, host, rest)
            return f"SRS0{rest}@{host}" if known else None
        if not local.upper().startswith("SRS0=") or len(parts) != 5:
            return None
        _, mark, day, host, local = parts
        if not self._same(mark, day, host, local) or not self._recent(day):
            return None
        return f"{local}@{host}"

    def _same(self, mark: str, *parts: str) -> bool:
        return hmac.compare_digest(mark.lower().encode(), self._hash(*parts).lower().encode())

    def _hash(self, *parts: str) -> str:
        text = "".join(parts).lower().encode()
        return b64encode(hmac.digest(self._key, text, hashlib.sha256)).decode()[:4]

    def _day(self) -> str:
        number = int(self._clock() // 86400) % DAYS
        return DIGITS[number // 32] + DIGITS[number % 32]

    def _recent(self, day: str) -> bool:
        try:
            number = DIGITS.index(day[0].upper()) * 32 + DIGITS.index(day[1].upper())
        except (IndexError, ValueError):
            return False
        return (int(self._clock() // 86400) - number) % DAYS <= VALID_DAYS
