"""API keys: shown once, stored as a prefix for look-up and a keyed hash for verification."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from dataclasses import dataclass, field
from enum import StrEnum

PREFIX_LENGTH = 16
ALPHABET = string.digits + string.ascii_letters


class Scope(StrEnum):
    """What a key may do; a tenant's key within its tenant, an operator's everywhere."""

    TENANTS_READ = "tenants:read"
    TENANTS_WRITE = "tenants:write"
    MESSAGES_READ = "messages:read"
    MESSAGES_SEND = "messages:send"
    MESSAGES_TRANSACTIONAL = "messages:transactional"
    """Mail without footer and unsubscribe link, beside `messages:send`."""


@dataclass(frozen=True)
class NewKey:
    """A new key, the only time that it is readable in full."""

    secret: str = field(repr=False)
    prefix: str
    hash: bytes = field(repr=False)


def create_key(pepper: bytes) -> NewKey:
    """Make a key `pm_live_` and 32 random characters (190 bits)."""
    secret = "pm_live_" + "".join(secrets.choice(ALPHABET) for _ in range(32))
    return NewKey(secret, prefix_of(secret), hash_key(secret, pepper))


def prefix_of(secret: str) -> str:
    """Return the part of a key that is stored in clear."""
    return secret[:PREFIX_LENGTH]


def hash_key(secret: str, pepper: bytes) -> bytes:
    """Return the keyed hash; a fast one suffices, since a key cannot be guessed."""
    return hmac.digest(pepper, secret.encode(), hashlib.sha256)


def matches(secret: str, hashed: bytes, pepper: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(hash_key(secret, pepper), hashed)
