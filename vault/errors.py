"""Why something cannot be sealed or opened. No message ever holds a secret."""

from __future__ import annotations

from pathlib import Path


class VaultError(Exception):
    """A key ring or an envelope cannot be used."""

    def __init__(self, code: str, message: str, *, remedy: str, where: Path | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.remedy = remedy
        self.where = where
