"""Answers for one process alone: sealed with its key, which it makes for one question and forgets.

X25519 with a key of the sealer that is made for the one answer, HKDF-SHA256, and AES-256-GCM.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vault.faults import DAMAGED_ENVELOPE

PURPOSE = b"penguinmails answer "
KEY_BYTES, NONCE = 32, bytes(12)
"""No key seals twice, so that the nonce may be constant."""


class Recipient:
    """Opens the answer to one question."""

    def __init__(self) -> None:
        self._key = X25519PrivateKey.generate()

    @property
    def public(self) -> str:
        """Return what an answer is sealed with."""
        return _text(self._key.public_key().public_bytes_raw())

    def open(self, sealed: str) -> bytes:
        """Return the answer; raises a fault for what was not sealed for this question."""
        raw = _bytes(sealed)
        theirs, body = raw[:KEY_BYTES], raw[KEY_BYTES:]
        try:
            shared = self._key.exchange(X25519PublicKey.from_public_bytes(theirs))
            return _cipher(shared, theirs).decrypt(NONCE, body, None)
        except (ValueError, InvalidTag):
            raise DAMAGED_ENVELOPE() from None


def seal_for(public: str, plaintext: bytes) -> str:
    """Return an answer that only the recipient with this public key opens."""
    own = X25519PrivateKey.generate()
    ours = own.public_key().public_bytes_raw()
    shared = own.exchange(X25519PublicKey.from_public_bytes(_bytes(public)))
    return _text(ours + _cipher(shared, ours).encrypt(NONCE, plaintext, None))


def _cipher(shared: bytes, sealer: bytes) -> AESGCM:
    derived = HKDF(SHA256(), KEY_BYTES, salt=None, info=PURPOSE + sealer).derive(shared)
    return AESGCM(derived)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise DAMAGED_ENVELOPE() from None
