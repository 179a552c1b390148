"""Reads tenant documents for the commands that take `-f`: files, directories, standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from blueprint.faults import EMPTY, SYNTAX, UNSUPPORTED, invalid
from blueprint.loading import Source, load
from blueprint.manifests import GROUP, may_have_tenant
from blueprint.platform import Platform
from cli.faults import NOT_TEXT, REPEATED, UNREACHABLE, UNREADABLE
from cli.folders import STDIN, documents_of, mentions, shown, text_of
from cli.settings import platform
from cli.terminal import printable
from kit.faults import Fault, Violation

T = TypeVar("T")


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
            real = file if file == STDIN else os.path.realpath(file)
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
            text = text_of(file)
            if in_directory and not may_have_tenant(text):
                self.left_out.append(f"{file} (no tenant)")
                return
            self.sources += load(text, file=shown(file), platform=self.platform, foreign=foreign)
        except Fault as fault:
            violations = as_violations(fault)
            if in_directory and _cannot_be_read(violations) and not mentions(file, GROUP):
                foreign = [violations[0].message]
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


def each(sources: Sequence[Source], do: Callable[[Source], T]) -> Iterator[T]:
    """Do something with each document; raise at the end what was refused, with its lines.

    What a control plane that does not answer refuses, it refuses for the others, too.
    """
    violations: list[Violation] = []
    for source in sources:
        try:
            result = do(source)
        except Fault as fault:
            if fault.code is UNREACHABLE:
                raise
            refused = fault.violations or (Violation(fault.code, fault.message, fault.remedy),)
            violations += [source.located(violation) for violation in refused]
        else:
            yield result
    if violations:
        raise invalid(violations)


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
