"""Signed tokens that survive receivers: return paths, and links that end a subscription.

Lower-case base32, since receivers fold case; HMAC-SHA256, since strangers write to return paths.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from uuid import UUID

MAC_BYTES = 10
"""80 bits: out of reach of guessing by mail, and the local part stays below 64 octets."""
LINK_MAC_BYTES = 16
LOCAL_PART_LIMIT = 64
"""RFC 5321 4.5.3.1.1."""
KEY_BYTES = 32
RETURN_PATH_FORM = r"b\+[a-z2-7]{48}"
"""Regular expression of a return path's local part: base32 of message, address and MAC."""


class TokenInvalid(ValueError):
    """The token was not made here, or was changed on its way."""


@dataclass(frozen=True)
class ReturnPath:
    """What a bounce tells: the message, and the address that it left from."""

    job_id: UUID
    ip: str


@dataclass(frozen=True)
class Subscription:
    """What an unsubscribe link tells; the recipient only as a hash."""

    tenant_id: UUID
    recipient: bytes
    """SHA-256 of the normalised address."""


@dataclass(frozen=True)
class Tokens:
    """Makes and reads tokens with one secret key of at least 32 bytes; they never expire."""

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a key that could be guessed."""
        if len(self.key) < KEY_BYTES:
            raise ValueError(f"a token key has at least {KEY_BYTES} bytes")

    def return_path(self, job_id: UUID, ip: str, domain: str) -> str:
        """Return the envelope sender `b+TOKEN@domain`."""
        body = job_id.bytes + IPv4Address(ip).packed
        return f"b+{_encode(body + self._mac(b'return-path', body, MAC_BYTES))}@{domain}"

    def read_return_path(self, address: str) -> ReturnPath:
        """Return what a return path says, in whatever case it comes back.

        Raises `TokenInvalid` for everything that was not made here.
        """
        local = address.partition("@")[0]
        body = self._open(local[2:], b"return-path", 20, MAC_BYTES)
        if local[:2].lower() != "b+":
            raise TokenInvalid("the return path is not of this installation")
        return ReturnPath(UUID(bytes=body[:16]), str(IPv4Address(body[16:])))

    def unsubscribe(self, tenant_id: UUID, recipient: bytes) -> str:
        """Return the token of an unsubscribe link; `recipient` is a SHA-256 hash."""
        body = tenant_id.bytes + recipient
        return _encode(body + self._mac(b"unsubscribe", body, LINK_MAC_BYTES))

    def read_unsubscribe(self, token: str) -> Subscription:
        """Return whose subscription a link ends, or raise `TokenInvalid`."""
        body = self._open(token, b"unsubscribe", 48, LINK_MAC_BYTES)
        return Subscription(UUID(bytes=body[:16]), body[16:])

    def _mac(self, purpose: bytes, body: bytes, size: int) -> bytes:
        return hmac.digest(self.key, purpose + b"\0" + body, hashlib.sha256)[:size]

    def _open(self, token: str, purpose: bytes, size: int, mac_size: int) -> bytes:
        raw = _decode(token)
        body, mac = raw[:size], raw[size:]
        if not hmac.compare_digest(mac, self._mac(purpose, body, mac_size)):
            raise TokenInvalid("the token is not of this installation")
        return body


def _encode(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()


def _decode(token: str) -> bytes:
    try:
        return base64.b32decode(token.upper() + "=" * (-len(token) % 8))
    except (binascii.Error, ValueError) as error:
        raise TokenInvalid("the token is not of this installation") from error
