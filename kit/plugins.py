"""Plugins of the engine that are modules of ours, and need no process of their own.

Python and the imports of a plugin take longer to start than most operations take. Who runs the
engine may therefore serve such plugins itself, and let the engine connect to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

SERVED = "PENGUIN_SERVED_PLUGINS"
"""Variable with `name=module` of each; its function `start` returns a `Plugin`."""


permission: Callable[[], AbstractContextManager[None]] = nullcontext
"""In whose block a plugin of this process changes something; entering it raises a fault where it
may not. Set by who runs the engine."""


class Plugin(Protocol):
    """A plugin that runs in this process."""

    port: int
    """On loopback."""

    def end(self) -> None:
        """Interrupt what waits, let running calls answer, and stop."""


def served(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the modules of an environment, by the plugin's name."""
    pairs = (entry.partition("=") for entry in environment.get(SERVED, "").split())
    return {name: module for name, _, module in pairs}
