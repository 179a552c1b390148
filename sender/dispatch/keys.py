"""Opens what is sealed with the key ring as it is on disk now. Used by many threads."""

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
        self._current = self._load()

    def open(self, sealed: str, *, context: str) -> bytes:
        """Return the clear text; raises VaultError."""
        vault, changed_at = self._current
        try:
            return vault.open(sealed, context=context)
        except VaultError:
            if self._changed_at() == changed_at:
                raise
        vault, _ = self._current = self._load()
        return vault.open(sealed, context=context)

    def _load(self) -> tuple[Vault, int]:
        """Return the vault, and when its key ring was changed."""
        changed_at = self._changed_at()
        return Vault(KeyRing.load(self._path)), changed_at

    def _changed_at(self) -> int:
        return self._path.stat().st_mtime_ns if self._path.exists() else 0
