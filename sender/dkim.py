"""Signs mail (RFC 6376, rsa-sha256, relaxed/relaxed): the key is parsed once, not per message."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

SIGNED = (
    "from", "to", "reply-to", "subject", "date", "message-id", "mime-version", "content-type",
    "content-transfer-encoding", "list-unsubscribe", "list-unsubscribe-post", "feedback-id",
    "in-reply-to", "references",
)  # fmt: skip
OVERSIGNED = (*SIGNED, "cc", "sender")
"""Named once more than they occur, so that no second one can be added behind the signature."""
SPACES = re.compile(rb"[ \t]+")
FOLD = re.compile(rb"\r\n(?=[ \t])")
LINE = 72


@dataclass(frozen=True)
class Signer:
    """Signs for one domain with one selector."""

    domain: str
    selector: str
    key: rsa.RSAPrivateKey

    @classmethod
    def from_pem(cls, domain: str, selector: str, pem: bytes) -> Signer:
        """Parse a private key; raises TypeError when it is not an RSA key."""
        key = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError(f"the DKIM key of {domain} is not an RSA key")
        return cls(domain, selector, key)

    def sign(self, mail: bytes, now: datetime) -> bytes:
        """Return the mail with a DKIM-Signature on top. `mail` has CRLF line ends."""
        head, separator, body = mail.partition(b"\r\n\r\n")
        headers = _headers(head)
        names = _names(headers)
        body_hash = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest())
        field = b"".join(
            [
                b"v=1; a=rsa-sha256; c=relaxed/relaxed; d=", self.domain.encode(),
                b"; s=", self.selector.encode(), b"; t=", str(int(now.timestamp())).encode(),
                b";\r\n h=", b":\r\n ".join(_chunks(names)), b";\r\n bh=", body_hash,
                b";\r\n b=",
            ]
        )  # fmt: skip
        signed = _select(headers, names)
        signed.append(_relaxed(b"DKIM-Signature", field))
        signature = self.key.sign(b"\r\n".join(signed), padding.PKCS1v15(), hashes.SHA256())
        folded = b"\r\n ".join(_split(base64.b64encode(signature)))
        return b"DKIM-Signature: " + field + folded + b"\r\n" + head + separator + body


def relaxed_body(body: bytes) -> bytes:
    """Canonicalise a body: runs of blanks are one, none before a line end, no empty last lines."""
    lines = [SPACES.sub(b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def _headers(head: bytes) -> list[tuple[bytes, bytes]]:
    """Split a header section into (name, raw value) in order."""
    fields = []
    for line in re.split(rb"\r\n(?![ \t])", head):
        name, _, value = line.partition(b":")
        fields.append((name, value))
    return fields


def _relaxed(name: bytes, value: bytes) -> bytes:
    unfolded = SPACES.sub(b" ", FOLD.sub(b"", value)).strip(b" ")
    return name.strip().lower() + b":" + unfolded


def _names(headers: list[tuple[bytes, bytes]]) -> list[bytes]:
    """List what is signed: each field that is there, and the over-signed once more."""
    present = [name.strip().lower().decode("ascii", "replace") for name, _ in headers]
    listed = [name for name in SIGNED for _ in range(present.count(name))]
    return [name.encode() for name in (*listed, *OVERSIGNED)]


def _select(headers: list[tuple[bytes, bytes]], names: Iterable[bytes]) -> list[bytes]:
    """Take fields from the bottom up, as a verifier does; a missing one adds nothing."""
    left: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        left.setdefault(name.strip().lower(), []).append(value)
    return [_relaxed(name, left[name].pop()) for name in names if left.get(name)]


def _chunks(names: list[bytes]) -> list[bytes]:
    """Join names by colons in lines of a readable length."""
    lines = [b""]
    for name in names:
        if lines[-1] and len(lines[-1]) + len(name) > LINE:
            lines.append(b"")
        lines[-1] += b":" + name if lines[-1] else name
    return lines


def _split(text: bytes) -> list[bytes]:
    return [text[start : start + LINE] for start in range(0, len(text), LINE)]
