"""Reads tenant documents for the commands that take `-f`: files, directories, standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from blueprint import shape
from blueprint.faults import EMPTY, SYNTAX, UNSUPPORTED, invalid
from blueprint.loading import Source, load
from blueprint.manifests import GROUP
from blueprint.platform import OFFLINE, Platform
from cli.faults import NOT_TEXT, REPEATED, SETTINGS_INVALID, UNREADABLE, USAGE
from cli.folders import documents_of, mentions, text_of
from cli.terminal import printable
from kit.faults import Fault, Violation
from kit.paths import state_dir

ZONE = "penguinmails.example"
SETTINGS = "settings.env"
"""Settings of this machine's installation, in the state directory."""


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
                f"PENGUIN_{'__'.join(map(str, e['loc'])).upper()}: {shape.expected(e)}"
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


@dataclass
class _Reading:
    """What has been read so far."""

    platform: Platform
    sources: list[Source] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    files: set[str] = field(default_factory=set)

    def add(self, path: str) -> None:
        """Read a file, or the files of a directory."""
        found = documents_of(path)
        self.left_out += found.left_out
        before = len(self.sources) + len(self.violations)
        for file in found.files:
            real = os.path.realpath(file)
            if real not in self.files:  # named twice, or by a link beside it
                self.files.add(real)
                self._add_file(file, in_directory=found.is_directory)
        if found.is_directory and len(self.sources) + len(self.violations) == before:
            raise UNREADABLE(
                reason="no .yaml, .yml or .json file below it holds a tenant", where=path
            )

    def _add_file(self, file: str, *, in_directory: bool) -> None:
        foreign: list[str] | None = [] if in_directory else None
        try:
            self.sources += load(text_of(file), file=file, platform=self.platform, foreign=foreign)
        except Fault as fault:
            violations = as_violations(fault)
            if in_directory and _cannot_be_read(violations) and not mentions(file, GROUP):
                foreign = ["no YAML document"]
            else:
                self.violations += violations
        if foreign:
            self.left_out.append(f"{file} ({foreign[0] or 'no apiVersion and kind'})")


def read(paths: list[str]) -> list[Source]:
    """Return all tenants of all paths; every violation of every file is reported together.

    What is left out of a directory is named on standard error.
    """
    reading = _Reading(platform())
    for path in paths:
        try:
            reading.add(path)
        except Fault as fault:
            reading.violations += as_violations(fault)
    for entry in reading.left_out:
        print(printable(f"left out: {entry}"), file=sys.stderr)
    violations = [*reading.violations, *_repeated(reading.sources)]
    if violations:
        raise invalid(violations)
    return reading.sources


def as_violations(fault: Fault) -> tuple[Violation, ...]:
    """Return the violations of a fault, or the fault itself as one."""
    alone = Violation(fault.code, fault.message, fault.remedy, path=fault.where or "")
    return fault.violations or (alone,)


def _cannot_be_read(violations: Sequence[Violation]) -> bool:
    """Return whether the text of a file is refused, before it is known whose it is."""
    return violations[0].code in (SYNTAX, UNSUPPORTED, EMPTY, NOT_TEXT, UNREADABLE)


def _repeated(sources: list[Source]) -> list[Violation]:
    """Return a violation for each further document of a tenant."""
    first: dict[str, Source] = {}
    return [
        source.located(
            REPEATED.violation(
                name=source.name, first=first[source.name].file, path="metadata.name"
            )
        )
        for source in sources
        if first.setdefault(source.name, source) is not source
    ]
