"""Reads tenant documents for the commands that take `-f`: files, directories, standard input."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from blueprint.faults import invalid
from blueprint.loading import MAX_BYTES, Source, load
from blueprint.platform import OFFLINE, Platform
from cli.environment import environment
from cli.faults import REPEATED, SETTINGS_INVALID, UNREADABLE, USAGE
from kit.faults import Fault, Violation
from kit.paths import state_dir

ZONE = "penguinmails.example"
SETTINGS = "settings.env"
"""Settings of this machine's installation, in the state directory."""
SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "standard input"


class _Settings(BaseSettings):
    """The platform as a client without a control plane configures it."""

    model_config = SettingsConfigDict(
        env_prefix="PENGUIN_", env_nested_delimiter="__", extra="ignore"
    )

    platform: Platform = Platform(installation=OFFLINE, zone=ZONE)

    @field_validator("platform", mode="before")
    @classmethod
    def _with_defaults(cls, given: object) -> object:
        """Add what a client without an installation need not set."""
        if not isinstance(given, dict):
            return given
        return {"installation": OFFLINE, "zone": ZONE, **given}


def platform() -> Platform:
    """Return the platform of this installation's settings, else the default one."""
    file = state_dir() / SETTINGS
    try:
        return _Settings(_env_file=file if os.access(file, os.R_OK) else None).platform
    except ValidationError as error:
        raise SETTINGS_INVALID(
            reasons="; ".join(
                f"PENGUIN_{'__'.join(map(str, e['loc'])).upper()}: {e['msg']}"
                for e in error.errors(include_url=False, include_input=False)
            ),
            where=file,
        ) from None


def platform_of(zone: str) -> Platform:
    """Return the default platform with another zone."""
    try:
        return Platform(installation=OFFLINE, zone=zone)
    except ValidationError:
        raise USAGE(
            mistake=f"{zone} cannot be the platform's zone",
            remedy="give a full domain name in lower case, such as penguinmails.example",
        ) from None


def read(paths: list[str]) -> list[Source]:
    """Return all tenants of all paths; every violation of every file is reported together."""
    sources: list[Source] = []
    violations: list[Violation] = []
    settings = platform()
    for path in paths:
        try:
            files = _files(path)
        except Fault as fault:
            violations += as_violations(fault)
            continue
        for file in files:
            try:
                sources += load(_text(file), file=file, platform=settings)
            except Fault as fault:
                violations += as_violations(fault)
    violations += _repeated(sources)
    if violations:
        raise invalid(violations)
    return sources


def as_violations(fault: Fault) -> tuple[Violation, ...]:
    """Return the violations of a fault, or the fault itself as one."""
    alone = Violation(fault.code, fault.message, fault.remedy, path=fault.where or "")
    return fault.violations or (alone,)


def _files(name: str) -> list[str]:
    """Return the files of a path: those of a directory, or the one that it names."""
    if name == "-":
        return [STDIN]
    if not name.strip():  # else it would be the working directory
        raise _unreadable("-f", "its value is empty")
    path = Path(name)
    if not path.is_dir():
        return [name]
    documents = sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file())
    if not documents:
        raise _unreadable(name, "the directory contains no .yaml, .yml or .json file")
    return [str(file) for file in documents]


def _text(file: str) -> str:
    raw = _raw(file)
    if len(raw) > MAX_BYTES:
        raise _unreadable(file, f"it is larger than {MAX_BYTES} bytes")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise _unreadable(file, "it is not UTF-8 text") from None


def _raw(file: str) -> bytes:
    """Return the content of a file, cut one byte above the limit."""
    try:
        if file == STDIN:
            stdin = environment().stdin
            if stdin is None:
                raise _unreadable(file, "it is closed")
            return stdin.buffer.read(MAX_BYTES + 1)
        with Path(file).open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(file, str(error.strerror)) from None


def _unreadable(file: str, reason: str) -> Fault:
    return UNREADABLE(reason=reason, where=file)


def _repeated(sources: list[Source]) -> list[Violation]:
    """Return a violation for each further document of a tenant."""
    first: dict[str, Source] = {}
    return [
        REPEATED.violation(
            name=source.name,
            first=first[source.name].file,
            file=source.file,
            path="metadata.name",
        )
        for source in sources
        if first.setdefault(source.name, source) is not source
    ]
