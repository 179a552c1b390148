"""A process that can be killed at named points."""

from __future__ import annotations


class Killed(BaseException):
    """The process died: no handler runs, nothing more is written."""


class Kill:
    """Kills the process at a named point, once."""

    def __init__(self) -> None:
        self.at: str | None = None

    def here(self, point: str) -> None:
        if self.at == point:
            self.at = None
            raise Killed(point)
