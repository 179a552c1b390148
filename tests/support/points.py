"""Named points in test doubles at which a test can run an action."""

from __future__ import annotations

from collections.abc import Callable

import pytest


class Killed(BaseException):
    """The process died: no handler runs, nothing more is written."""


def killed() -> pytest.RaisesGroup[Killed]:
    """Expect `Killed`, as itself or in the group of the tasks that it ended."""
    return pytest.RaisesGroup(Killed, allow_unwrapped=True, flatten_subgroups=True)


class Points:
    """Called by test doubles with the name of each point that they reach."""

    def __init__(self) -> None:
        self._actions: dict[str, Callable[[], object]] = {}

    def once(self, point: str, action: Callable[[], object]) -> None:
        """Run an action the next time a point is reached, in the thread that reaches it."""
        self._actions[point] = action

    def kill(self, point: str) -> None:
        """Raise `Killed` the next time a point is reached."""

        def die() -> None:
            raise Killed(point)

        self.once(point, die)

    def __call__(self, point: str) -> None:
        action = self._actions.pop(point, None)
        if action is not None:
            action()
