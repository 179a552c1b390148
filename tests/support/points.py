"""Named points of the doubles, where a test lets something else happen meanwhile."""

from __future__ import annotations

from collections.abc import Callable


class Killed(BaseException):
    """The process died: no handler runs, nothing more is written."""


class Points:
    """Called by doubles with the name of each point that they reach."""

    def __init__(self) -> None:
        self._actions: dict[str, Callable[[], object]] = {}

    def once(self, point: str, action: Callable[[], object]) -> None:
        """Do something the next time that a point is reached, in the thread that reaches it."""
        self._actions[point] = action

    def kill(self, point: str) -> None:
        """Let the process die the next time that a point is reached."""

        def die() -> None:
            raise Killed(point)

        self.once(point, die)

    def __call__(self, point: str) -> None:
        action = self._actions.pop(point, None)
        if action is not None:
            action()
