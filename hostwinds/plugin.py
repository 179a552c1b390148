"""The launcher by which the engine runs the provider with this interpreter."""

from __future__ import annotations

from pathlib import Path

from kit import launchers

NAME = "pulumi-resource-hostwinds"


def write_launcher(directory: Path) -> Path:
    """Write the plugin's executable into a directory and return its path."""
    return launchers.write_launcher(directory / NAME, "hostwinds.provider")
