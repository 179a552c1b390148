"""What stops the program before it declares anything."""

from __future__ import annotations

from pulumi import RunError


class StackError(RunError):
    """Shown by Pulumi in one line: `[code] message; do: remedy`."""

    def __init__(self, code: str, message: str, *, remedy: str) -> None:
        super().__init__(f"[{code}] {message}; do: {remedy}")
        self.code = code
        self.remedy = remedy
