"""What stops the program before it declares anything."""

from __future__ import annotations

import urllib.error

from pulumi import RunError


class StackError(RunError):
    """Shown by Pulumi in one line: `[code] message; do: remedy`."""

    def __init__(self, code: str, message: str, *, remedy: str) -> None:
        super().__init__(f"[{code}] {message}; do: {remedy}")
        self.code = code
        self.remedy = remedy


def reason(error: Exception) -> str:
    """Say why a request failed. A ValueError's words may hold the header, and with it a secret."""
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return str(error) if isinstance(error, OSError) else type(error).__name__
