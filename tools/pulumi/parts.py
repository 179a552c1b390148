"""The parts of an engine, and the origin of each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

VERSION = "3.259.0"
"""Version of the CLI; equal to the pinned SDK."""
CHECKSUMS = {
    "darwin-arm64": "57c27f179e527e2cf9f62b841a448af72a020e44b2fb4ee0d9bd85556c00c864",
    "darwin-x64": "eaca4c3b8277bfa3ab061fa3b270d1c66358a0b2e613da8c5587a04b7226c534",
    "linux-arm64": "edc8327463a72160bb36cf82cf5062da9c8a244290a706d9980988e7bf486853",
    "linux-x64": "94ba357acac23d01474084c4b00098dc0f7bc70ce13f34c777459254a5f718e5",
}
"""SHA-256 of the distribution of that version for each system, as Pulumi publishes them in
`Formula/pulumi.rb` of github.com/pulumi/homebrew-tap: changed together with it."""
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
