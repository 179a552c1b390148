"""Reads tenant documents for the commands that take `-f`: files, folders, standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blueprint.loading import load
from blueprint.mistakes import DocumentError
from blueprint.platform import Platform
from blueprint.tenant import Tenant
from cli.errors import CliError, CliErrorGroup
from tools.places import state_dir

ZONE = "penguinmails.example"
SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Source:
    """A tenant and the file that it came from."""

    file: str
    tenant: Tenant

    @property
    def name(self) -> str:
        """The tenant's name."""
        return self.tenant.metadata.name


def platform() -> Platform:
    """Return the platform of this installation's settings, else the usual one with our zone."""
    from controlplane.settings import Settings, SettingsMissing

    try:
        return Settings.read(state_dir()).platform
    except (SettingsMissing, OSError):
        return Platform(zone=os.environ.get("PENGUIN_PLATFORM__ZONE", ZONE))


def read(paths: list[str]) -> list[Source]:
    """Return all tenants of all paths; every mistake of every file is reported together."""
    sources: list[Source] = []
    errors: list[CliError] = []
    known = platform()
    for path in paths:
        try:
            for file, text in _texts(path):
                try:
                    sources += [
                        Source(file, found) for found in load(text, file=file, platform=known)
                    ]
                except DocumentError as error:
                    errors += [
                        CliError(m.code, m.message, remedy=m.remedy, where=m.where)
                        for m in error.mistakes
                    ]
        except CliError as error:
            errors.append(error)
    errors += _repeated(sources)
    if errors:
        raise CliErrorGroup(errors)
    return sources


def plain(tenant: Tenant) -> dict[str, Any]:
    """Return a tenant as the API takes it."""
    return tenant.model_dump(mode="json", by_alias=True)


def _texts(name: str) -> Iterator[tuple[str, str]]:
    """Yield each file of a path with its text."""
    if name == "-":
        yield "standard input", _decoded(sys.stdin.buffer.read(), "standard input")
        return
    path = Path(name)
    inside = sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file())
    files = inside if path.is_dir() else [path]
    if not files:
        raise CliError(
            "file.none",
            "no document to read",
            where=name,
            remedy="name a folder with .yaml files",
        )
    for file in files:
        try:
            raw = file.read_bytes()
        except OSError as error:
            raise _unreadable(str(file), str(error.strerror)) from None
        yield str(file), _decoded(raw, str(file))


def _decoded(raw: bytes, file: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise _unreadable(file, "not a text in UTF-8") from None


def _unreadable(file: str, reason: str) -> CliError:
    return CliError(
        "file.unreadable", f"cannot read it: {reason}", where=file, remedy="check the path"
    )


def _repeated(sources: list[Source]) -> list[CliError]:
    """Two documents of one tenant would undo each other."""
    first: dict[str, Source] = {}
    return [
        CliError(
            "file.repeated",
            f"tenant {source.name} stands also in {first[source.name].file}",
            where=f"{source.file} metadata.name",
            remedy="keep one of the two",
        )
        for source in sources
        if first.setdefault(source.name, source) is not source
    ]
