"""Signs mail (RFC 6376, rsa-sha256, relaxed/relaxed): the key is parsed once, not per message."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import cast

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

SIGNED = (
    "from", "to", "reply-to", "subject", "date", "message-id", "mime-version", "content-type",
    "content-transfer-encoding", "list-unsubscribe", "list-unsubscribe-post", "list-id",
    "feedback-id", "in-reply-to", "references",
)  # fmt: skip
OVERSIGNED = (*SIGNED, "cc", "sender")
"""Named once more than they occur, so that no second one can be added behind the signature."""
LINE = 72
PADDING, SHA256 = padding.PKCS1v15(), hashes.SHA256()


@dataclass(frozen=True)
class Signer:
    """Signs for one domain with one selector."""

    domain: str
    selector: str
    key: rsa.RSAPrivateKey

    @classmethod
    def from_pem(cls, domain: str, selector: str, pem: bytes) -> Signer:
        """Parse a private key; raises TypeError when it is not an RSA key.

        Whether its numbers are primes is not tried: that takes 40 ms, and the key is one of ours.
        """
        key = serialization.load_pem_private_key(
            pem, password=None, unsafe_skip_rsa_key_validation=True
        )
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError(f"the DKIM key of {domain} is not an RSA key")
        return cls(domain, selector, key)

    def unprepared(self) -> Signer:
        """Return it without what OpenSSL keeps with a key from its first signature on."""
        der = self.key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        key = serialization.load_der_private_key(
            der, password=None, unsafe_skip_rsa_key_validation=True
        )
        return replace(self, key=cast("rsa.RSAPrivateKey", key))

    def sign(self, mail: bytes, now: datetime) -> bytes:
        """Return the mail with a DKIM-Signature on top. `mail` has CRLF line ends."""
        head, separator, body = mail.partition(b"\r\n\r\n")
        fields = _relaxed(head)
        present = tuple(name for name, _ in fields)
        names, listed = _names(present)
        body_hash = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest())
        field = b"".join(
            [
                b"v=1; a=rsa-sha256; c=relaxed/relaxed; d=", self.domain.encode(),
                b"; s=", self.selector.encode(), b"; t=", str(int(now.timestamp())).encode(),
                b";\r\n h=", listed, b";\r\n bh=", body_hash, b";\r\n b=",
            ]
        )  # fmt: skip
        signed = _select(fields, names) + _relaxed(b"dkim-signature:" + field)
        text = b"\r\n".join(name + b":" + value for name, value in signed)
        signature = self.key.sign(text, PADDING, SHA256)
        folded = b"\r\n ".join(_split(base64.b64encode(signature)))
        return b"DKIM-Signature: " + field + folded + b"\r\n" + head + separator + body


def relaxed_body(body: bytes) -> bytes:
    """Canonicalise a body: runs of blanks are one, none before a line end, no empty last lines."""
    body = _single_blanks(body).replace(b" \r\n", b"\r\n")
    end = len(body) - body.endswith(b" ")
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return body[:end] + b"\r\n" if end else b""


def _single_blanks(text: bytes) -> bytes:
    shorter = text.replace(b"\t", b" ")
    size = -1
    while len(shorter) != size:
        size = len(shorter)
        shorter = shorter.replace(b"  ", b" ")
    return shorter


def _relaxed(head: bytes) -> list[tuple[bytes, bytes]]:
    """Canonicalise fields: each in one line, names in lower case, no blanks around the colon."""
    unfolded = _single_blanks(head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" "))
    return [
        (name.strip().lower(), value.strip(b" "))
        for name, _, value in (line.partition(b":") for line in unfolded.split(b"\r\n"))
    ]


@lru_cache(maxsize=100)
def _names(present: tuple[bytes, ...]) -> tuple[tuple[bytes, ...], bytes]:
    """Return what is signed, and how it is written: each field that is there, then one more."""
    listed = [name for name in SIGNED for _ in range(present.count(name.encode()))]
    names = tuple(name.encode() for name in (*listed, *OVERSIGNED))
    return names, b":\r\n ".join(_chunks(names))


def _select(
    fields: Sequence[tuple[bytes, bytes]], names: Sequence[bytes]
) -> list[tuple[bytes, bytes]]:
    """Take fields from the bottom up, as a verifier does; a missing one adds nothing."""
    left: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        left.setdefault(name, []).append(value)
    return [(name, left[name].pop()) for name in names if left.get(name)]


def _chunks(names: tuple[bytes, ...]) -> list[bytes]:
    """Join names by colons in lines of a readable length."""
    lines = [b""]
    for name in names:
        if lines[-1] and len(lines[-1]) + len(name) > LINE:
            lines.append(b"")
        lines[-1] += b":" + name if lines[-1] else name
    return lines


def _split(text: bytes) -> list[bytes]:
    return [text[start : start + LINE] for start in range(0, len(text), LINE)]
