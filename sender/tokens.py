"""Signed tokens that survive receivers: return paths, and links that end a subscription.

Lower-case base32, since receivers fold case; HMAC-SHA256, since strangers write to return paths.
They never expire, so a key can be followed by another one: a token names its key by a letter in
front. Those of the first key have none, as before there was a second.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, SecretStr

from blueprint.fields import Count

MAC_BYTES = 10
"""80 bits: out of reach of guessing by mail, and the local part stays below 64 octets."""
LINK_MAC_BYTES = 16
LOCAL_PART_LIMIT = 64
"""RFC 5321 4.5.3.1.1."""
KEY_BYTES = 32
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
"""The letters of base32, and as ids of keys 0 to 31."""
TRANSLATION = LETTERS.encode() + bytes(256 - len(LETTERS))
"""The letter of each octet from 0 to 31."""
RETURN_PATH_FORM = r"b\+[a-z2-7]{48,49}"
"""Regular expression of a return path's local part: the key's id, if it is not the first, then
base32 of message, address and MAC."""


def _hexadecimal(key: SecretStr) -> SecretStr:
    try:
        size = len(bytes.fromhex(key.get_secret_value()))
    except ValueError:
        size = 0
    if size < KEY_BYTES:
        msg = (
            f"write at least {KEY_BYTES} bytes in hexadecimal, as `openssl rand -hex 32` makes them"
        )
        raise ValueError(msg)
    return key


TokenKey = Annotated[SecretStr, AfterValidator(_hexadecimal)]
LaterKeys = dict[Annotated[Count, Field(ge=1, lt=len(LETTERS))], TokenKey]


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
    """Makes tokens with the newest of its secret keys, and reads those of all of them."""

    key: bytes = field(repr=False)
    """The first key, with the id 0; of at least 32 bytes like all."""
    later: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    """Keys that followed it, by id from 1 to 31."""

    def __post_init__(self) -> None:
        """Refuse a key that could be guessed, or has no letter."""
        if any(len(key) < KEY_BYTES for key in (self.key, *self.later.values())):
            raise ValueError(f"a token key has at least {KEY_BYTES} bytes")
        if not all(0 < id_ < len(LETTERS) for id_ in self.later):
            raise ValueError(f"ids of later token keys are from 1 to {len(LETTERS) - 1}")

    @classmethod
    def of_settings(cls, key: SecretStr, later: Mapping[int, SecretStr]) -> Tokens:
        """Return the tokens of keys in hexadecimal."""
        keys = {id_: bytes.fromhex(text.get_secret_value()) for id_, text in later.items()}
        return cls(bytes.fromhex(key.get_secret_value()), keys)

    def return_path(self, job_id: UUID, ip: str, domain: str) -> str:
        """Return the envelope sender `b+TOKEN@domain`."""
        body = job_id.bytes + _packed(ip)
        return f"b+{self._make(b'return-path', body, MAC_BYTES)}@{domain}"

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
        return self._make(b"unsubscribe", tenant_id.bytes + recipient, LINK_MAC_BYTES)

    def read_unsubscribe(self, token: str) -> Subscription:
        """Return whose subscription a link ends, or raise `TokenInvalid`."""
        body = self._open(token, b"unsubscribe", 48, LINK_MAC_BYTES)
        return Subscription(UUID(bytes=body[:16]), body[16:])

    def _make(self, purpose: bytes, body: bytes, mac_size: int) -> str:
        id_ = max(self.later, default=0)
        key = self.later.get(id_, self.key)
        token = _encode(body + _mac(key, purpose, body, mac_size))
        return LETTERS[id_] + token if id_ else token

    def _open(self, token: str, purpose: bytes, size: int, mac_size: int) -> bytes:
        """Return the body of a token; one that is a letter too long begins with its key's id."""
        key: bytes | None = self.key
        if len(token) == _length(size + mac_size) + 1:
            key = self.later.get(LETTERS.find(token[0].lower()))
            token = token[1:]
        raw = _decode(token)
        body, mac = raw[:size], raw[size:]
        if key is None or not hmac.compare_digest(mac, _mac(key, purpose, body, mac_size)):
            raise TokenInvalid("the token is not of this installation")
        return body


def _mac(key: bytes, purpose: bytes, body: bytes, size: int) -> bytes:
    mac = _keyed(key).copy()
    mac.update(purpose + b"\0" + body)
    return mac.digest()[:size]


@lru_cache(len(LETTERS))
def _keyed(key: bytes) -> hmac.HMAC:
    """Return the beginning of each MAC. Unlike `hmac.digest`, its copies keep the interpreter."""
    return hmac.new(key, digestmod="sha256")


@lru_cache(10_000)
def _packed(ip: str) -> bytes:
    return IPv4Address(ip).packed


def _length(size: int) -> int:
    """Return how many letters so many bytes have in base32."""
    return -(-size * 8 // 5)


def _encode(raw: bytes) -> str:
    """Return base32 in lower case without padding, without a loop over the letters."""
    letters = _length(len(raw))
    size = 1 << (letters - 1).bit_length()
    number = int.from_bytes(raw, "big") << (5 * size - 8 * len(raw))
    for shift, low, high in _halvings(size):
        number = number << shift & high | number & low
    return number.to_bytes(size, "big")[:letters].translate(TRANSLATION).decode()


@lru_cache
def _halvings(size: int) -> Sequence[tuple[int, int, int]]:
    """Return the steps that give each of so many groups of five bits, a power of two, an octet.

    A step moves the upper halves of all blocks of groups: by how much, and masks of what stays and
    of what was moved.
    """
    steps = []
    half = size // 2
    while half:
        blocks = range(0, 8 * size, 16 * half)
        low = sum(((1 << 5 * half) - 1) << at for at in blocks)
        steps.append((3 * half, low, low << 8 * half))
        half //= 2
    return steps


def _decode(token: str) -> bytes:
    try:
        return base64.b32decode(token.upper() + "=" * (-len(token) % 8))
    except (binascii.Error, ValueError) as error:
        raise TokenInvalid("the token is not of this installation") from error
