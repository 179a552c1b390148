"""The master keys: a file that only its owner may read, newest key first."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kit import files
from vault.faults import EXISTS, OPEN_TO_OTHERS, UNUSABLE

KEY_BYTES = 32
OTHER_USERS = 0o077


class KeyRing:
    """Keys by id. Sealing uses the newest; opening uses the one that an envelope names."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        """Take keys in the order newest first."""
        self._keys = keys

    def __repr__(self) -> str:
        """Show the ids of the keys, never the keys."""
        return f"KeyRing({', '.join(self._keys)})"

    @classmethod
    def create(cls, path: Path) -> Self:
        """Create a key ring file with one key, mode 0600; an existing one is never replaced.

        The write is atomic, also when the process is killed.
        """
        ring = cls({_new_id(): secrets.token_bytes(KEY_BYTES)})
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            files.create(path, ring.document(), mode=files.PRIVATE)
        except FileExistsError:
            raise EXISTS(where=path) from None
        return ring

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a key ring file; one that other users can read is refused."""
        try:
            mode, content = path.stat().st_mode, path.read_bytes()
        except OSError as error:
            raise UNUSABLE(reason=error.strerror, where=path) from None
        if mode & OTHER_USERS:
            raise OPEN_TO_OTHERS(mode=mode & 0o777, file=path, where=path)
        try:
            return cls.parse(content)
        except ValueError as error:
            raise UNUSABLE(reason=error, where=path) from None

    @classmethod
    def parse(cls, document: str | bytes) -> Self:
        """Read what `document` has written; raises ValueError."""
        try:
            keys = {entry["id"]: _decoded(entry["key"]) for entry in json.loads(document)["keys"]}
        except (ValueError, KeyError, TypeError, binascii.Error):
            keys = {}
        if not keys or any(len(key) != KEY_BYTES for key in keys.values()):
            raise ValueError("it is damaged")
        return cls(keys)

    def derived(self, purpose: str) -> Self:
        """Return a ring for one purpose, which opens only what was sealed with it (RFC 5869).

        From it, neither this ring nor that of another purpose can be computed.
        """
        return type(self)(
            {
                key_id: HKDF(hashes.SHA256(), KEY_BYTES, None, purpose.encode()).derive(key)
                for key_id, key in self._keys.items()
            }
        )

    def add_key(self, path: Path) -> Self:
        """Write the ring with a new first key; envelopes under older keys can still be opened."""
        ring = type(self)({_new_id(): secrets.token_bytes(KEY_BYTES), **self._keys})
        files.write(path, ring.document(), mode=files.PRIVATE)
        return ring

    @property
    def newest(self) -> tuple[str, bytes]:
        """Return id and key to seal with."""
        return next(iter(self._keys.items()))

    def find(self, key_id: str) -> bytes | None:
        """Return the key of an id."""
        return self._keys.get(key_id)

    def document(self) -> str:
        """Return the content of a key ring file: the keys in clear text."""
        entries = [
            {"id": key_id, "key": base64.b64encode(key).decode()}
            for key_id, key in self._keys.items()
        ]
        return json.dumps({"keys": entries}, indent=1)


def _new_id() -> str:
    return secrets.token_hex(4)


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
