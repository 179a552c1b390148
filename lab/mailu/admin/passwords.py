"""Passwords and mail tokens: hashes of a format of our own, at the cost of Mailu's."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

LONGEST = 4096
ITERATIONS_PER_ROUND = 150
"""PBKDF2 iterations for each of the 2^rounds of bcrypt: at 12 rounds some 200 ms, as measured."""
TOKEN = re.compile(r"[0-9a-f]{32}")


class Passwords:
    """Makes and verifies hashes of passwords, one password at a time costs what bcrypt costs."""

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        self._verified: dict[str, bytes] = {}
        """Cheap hashes of what was verified, by hash: Mailu keeps them for as long as it runs."""

    def hashed(self, password: str) -> str:
        """Return a new hash."""
        if len(password) > LONGEST:
            raise ValueError("the password is too long")
        salt = secrets.token_hex(16)
        return f"$stand-in-pbkdf2$r={self._rounds}${salt}${_digest(password, salt, self._rounds)}"

    def matches(self, password: str, stored: str) -> bool:
        """Whether a password is the one of this hash; an empty one never is."""
        parts = re.fullmatch(r"\$stand-in-pbkdf2\$r=(\d+)\$([0-9a-f]+)\$([0-9a-f]+)", stored)
        if not password or not parts:
            return False
        rounds, salt, digest = int(parts[1]), parts[2], parts[3]
        cheap = hashlib.sha256((salt + password).encode()).digest()
        if stored in self._verified:
            return hmac.compare_digest(self._verified[stored], cheap)
        right = hmac.compare_digest(_digest(password, salt, rounds), digest)
        if right:
            self._verified[stored] = cheap
        return right


def _digest(password: str, salt: str, rounds: int) -> str:
    iterations = ITERATIONS_PER_ROUND * 2**rounds
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), iterations).hex()


def looks_like_token(password: str) -> bool:
    """Whether a password has the form of a mail token."""
    return bool(TOKEN.fullmatch(password))


def new_token() -> str:
    """Return a mail token."""
    return secrets.token_hex(16)


def token_hash(token: str) -> str:
    """Return the hash of a mail token, which is long enough to need no cost."""
    return hashlib.sha256(token.encode()).hexdigest()
