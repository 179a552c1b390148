"""Reads tenant documents for the commands that take `-f`: files, folders, standard input."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from blueprint.loading import load
from blueprint.mistakes import DocumentError, Mistake
from blueprint.platform import Platform
from blueprint.tenant import Tenant
from cli.errors import CliError, CliErrorGroup

ZONE = "penguinmails.example"


def platform() -> Platform:
    """Return the platform that documents are checked against before they are sent."""
    return Platform(zone=os.environ.get("PENGUIN_PLATFORM__ZONE", ZONE))


def read(paths: list[str]) -> list[Tenant]:
    """Return all tenants of all paths; every mistake of every file is reported together."""
    tenants: list[Tenant] = []
    mistakes: list[Mistake] = []
    for file, text in _texts(paths):
        try:
            tenants += load(text, file=file, platform=platform())
        except DocumentError as error:
            mistakes += error.mistakes
    if mistakes:
        raise CliErrorGroup(
            [CliError(m.code, m.message, remedy=m.remedy, where=m.where) for m in mistakes]
        )
    return tenants


def plain(tenant: Tenant) -> dict[str, Any]:
    """Return a tenant as the API takes it."""
    return tenant.model_dump(mode="json", by_alias=True)


def _texts(paths: list[str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name in paths:
        if name == "-":
            found.append(("standard input", sys.stdin.read()))
            continue
        path = Path(name)
        inside = sorted(p for p in path.rglob("*") if p.suffix in (".yaml", ".yml", ".json"))
        for file in inside if path.is_dir() else [path]:
            try:
                found.append((str(file), file.read_text()))
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "not a text in UTF-8"
                raise CliError(
                    "file.unreadable", f"{reason}", where=str(file), remedy="check the path"
                ) from None
    if not found:
        raise CliError(
            "file.none", "no document to read", where=", ".join(paths), remedy="name a .yaml file"
        )
    return found
