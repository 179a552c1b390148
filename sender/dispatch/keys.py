"""Opens what is sealed with the key ring as it is on disk now."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from vault import KeyRing, Vault, VaultError


class Opener(Protocol):
    """The vault's half that the sender needs."""

    def open(self, sealed: str, *, context: str) -> bytes:
        """Return the clear text, or raise when context or key do not fit."""


class CurrentVault:
    """Reads a key ring again when it cannot open something and the file has changed."""

    def __init__(self, path: Path) -> None:
        """Read the key ring."""
        self._path = path
        self._load()

    def open(self, sealed: str, *, context: str) -> bytes:
        """Return the clear text; raises VaultError."""
        try:
            return self._vault.open(sealed, context=context)
        except VaultError:
            if self._changed_at() == self._read_at:
                raise
        self._load()
        return self._vault.open(sealed, context=context)

    def _load(self) -> None:
        self._read_at = self._changed_at()
        self._vault = Vault(KeyRing.load(self._path))

    def _changed_at(self) -> int:
        return self._path.stat().st_mtime_ns if self._path.exists() else 0
