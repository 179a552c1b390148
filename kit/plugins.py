"""Plugins of the engine that are modules of ours, and need no process of their own.

Python and the imports of a plugin take longer to start than most operations take. Who runs the
engine may therefore serve such plugins itself, and let the engine connect to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

SERVED = "PENGUIN_SERVED_PLUGINS"
"""Variable with `name=module` of each; its function `start` takes the engine's variables, and
returns a `Plugin`."""
GATEWAY = "PENGUIN_GATEWAY"
"""Variable of an engine whose plugins reach their provider by a gateway that is served already."""

Permission = Callable[[], AbstractContextManager[None]]
"""In whose block something is changed at a provider; entering it raises a fault where it may not
be."""

Turn = Callable[[float], bool]
"""Returns when the next request to a provider may be sent, False if that takes longer than these
seconds."""


Refused = Callable[[float], None]
"""Takes for how many seconds a provider answers no request."""


class Plugin(Protocol):
    """A plugin that runs in this process."""

    port: int
    """On loopback."""

    def end(self) -> None:
        """Interrupt what waits, let running calls answer, and stop."""


class Gateway(Protocol):
    """A gateway to a provider that runs in this process, and holds the provider's token.

    Its module's function `start` takes the provider's variables, a `Permission`, a `Turn` and a
    `Refused`.
    """

    environment: Mapping[str, str]
    """Variables by which plugins reach the provider, in place of the provider's own."""

    def end(self) -> None:
        """Stop."""


def served(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the modules of an environment, by the plugin's name."""
    pairs = (entry.partition("=") for entry in environment.get(SERVED, "").split())
    return {name: module for name, _, module in pairs}
