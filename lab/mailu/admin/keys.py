"""DKIM keys: files that are read each time, made here or laid."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)


@dataclass(frozen=True)
class Keys:
    """The keys of one selector."""

    pattern: str
    """The path of a key's file, with `{domain}` and `{selector}`."""
    selector: str

    def path(self, domain: str) -> Path:
        """Return where a domain's key is."""
        return Path(self.pattern.format(domain=domain, selector=self.selector))

    def private(self, domain: str) -> bytes | None:
        """Return the file's content, if there is one. A file that cannot be read raises OSError."""
        path = self.path(domain)
        return (path.read_bytes() or None) if path.exists() else None

    def public(self, domain: str) -> str | None:
        """Return the public half in base64. A file that is no key raises ValueError.

        Loading verifies the key, which takes some 30 ms of the processor: so does Mailu.
        """
        content = self.private(domain)
        if content is None:
            return None
        public = load_pem_private_key(content, password=None).public_key()
        return b64encode(
            public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        ).decode()

    def make(self, domain: str) -> None:
        """Make a key, in place of the one that is there."""
        self.path(domain).write_bytes(made())

    def require_key(self, pem: bytes) -> None:
        """Raise ValueError for what is no key."""
        load_pem_private_key(pem, password=None)


def made() -> bytes:
    """Return a new RSA key of 2048 bits."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
