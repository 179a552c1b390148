"""The parts of an engine, and the origin of each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

VERSION = "3.259.0"
"""Version of the CLI; equal to the pinned SDK."""
CLOUDFLARE_VERSION = "6.17.0"
"""Version of the Cloudflare plugin; equal to the pinned pulumi-cloudflare, which requires it."""


ANSWERED = b"\n"
"""Marks the end of an interpreter's response: an empty response with it is a success."""


class Kind(StrEnum):
    """Where a part comes from."""

    OFFICIAL = "official"
    BUILT = "built"
    """Compiled on this machine from Pulumi's published Go modules."""
    STAND_IN = "stand-in"
    """Written by this project, used while the official part is absent."""


@dataclass(frozen=True)
class Part:
    """One executable of the engine."""

    name: str
    version: str
    kind: Kind
    path: Path
