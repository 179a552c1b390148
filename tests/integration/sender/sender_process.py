"""A sender in a process of its own."""

from __future__ import annotations

import os

from pydantic import SecretStr

from sender.settings import SenderSettings

PROCESS = """
import asyncio
from sender import daemon
from sender.settings import SenderSettings
asyncio.run(daemon.run(SenderSettings(), asyncio.Event()))
"""


def environment_of(settings: SenderSettings) -> dict[str, str]:
    """Return the environment of a separate process with these settings."""
    values = {
        f"PENGUIN_SENDER_{name.upper()}": str(
            value.get_secret_value() if isinstance(value, SecretStr) else value
        )
        for name, value in settings
        if value is not None
    }
    return {**os.environ, **values}
