"""Envelopes: `v1.<key id>.<nonce and ciphertext in URL-safe base64>`."""

from __future__ import annotations

import base64
import binascii
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vault.faults import DAMAGED_ENVELOPE, UNKNOWN_KEY
from vault.keyring import KeyRing

VERSION = "v1"
NONCE_BYTES = 12
"""NIST SP 800-38D; random nonces are safe for far more envelopes than one key will seal."""


class Vault:
    """Seals and opens. The context (tenant and purpose) is associated data of the encryption, so
    that an envelope moved to another row cannot be opened there."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def derived(self, purpose: str) -> Vault:
        """Return the vault of one purpose: neither opens what the other has sealed."""
        return Vault(self._ring.derived(purpose))

    def seal(self, plaintext: bytes, *, context: str) -> str:
        """Return an envelope under the newest key."""
        key_id, key = self._ring.newest
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + AESGCM(key).encrypt(nonce, plaintext, _associated_data(key_id, context))
        return f"{VERSION}.{key_id}.{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, sealed: str, *, context: str) -> bytes:
        """Return what was sealed for this context.

        Raises VaultError: `vault.unknown_key`, `vault.damaged_envelope` (garbled, or sealed for
        another context).
        """
        version, _, rest = sealed.partition(".")
        key_id, _, body = rest.partition(".")
        try:
            raw = base64.b64decode(body, altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            raw = b""
        if version != VERSION or len(raw) <= NONCE_BYTES:
            raise DAMAGED_ENVELOPE()
        key = self._ring.find(key_id)
        if key is None:
            raise UNKNOWN_KEY(key=key_id)
        try:
            return AESGCM(key).decrypt(
                raw[:NONCE_BYTES], raw[NONCE_BYTES:], _associated_data(key_id, context)
            )
        except InvalidTag:
            raise DAMAGED_ENVELOPE() from None

    def is_current(self, sealed: str) -> bool:
        """Return whether an envelope is under the newest key; others can be sealed again."""
        return sealed.startswith(f"{VERSION}.{self._ring.newest[0]}.")


def _associated_data(key_id: str, context: str) -> bytes:
    return f"{VERSION}\0{key_id}\0{context}".encode()
