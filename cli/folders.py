"""Finds and decodes the files of `-f`, in a directory as tools for GitOps do."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from blueprint.loading import MAX_BYTES
from cli.environment import environment
from cli.faults import NOT_TEXT, UNREADABLE, USAGE
from kit.faults import Fault

SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "-"
CHART = "Chart.yaml"


@dataclass(frozen=True)
class Found:
    """The files of one path."""

    files: tuple[str, ...]
    is_directory: bool = False
    left_out: tuple[str, ...] = ()
    """What in a directory is not read although a person might expect it, with the reason."""


def documents_of(name: str) -> Found:
    """Return the files of a path: the one that it names, or those of a directory and below it.

    Files of other types, and what is hidden (`.git`), are not documents. Directories behind links
    are not followed, so no loop is endless.
    """
    if name == STDIN:
        return Found((STDIN,))
    if not name.strip():  # else it would be the working directory
        raise UNREADABLE(reason="its value is empty", where="-f")
    if re.match("https?://", name, re.IGNORECASE):
        raise USAGE(
            mistake=f"{name} is not a file", remedy=f"use `curl {name} | penguin apply -f -`"
        )
    if not Path(name).is_dir():
        return Found((name,))
    files: list[str] = []
    left_out: list[str] = []
    for directory, directories, names in os.walk(name, onerror=_refuse):
        at = Path(directory)
        if CHART in names:  # its templates are no documents, whatever they look like
            left_out.append(f"{at} (a Helm chart; use `helm template` and `-f -`)")
            directories.clear()
            continue
        visible = sorted(entry for entry in directories if not entry.startswith("."))
        links = [entry for entry in visible if (at / entry).is_symlink()]
        left_out += [f"{at / entry} (a link to a directory)" for entry in links]
        directories[:] = [entry for entry in visible if entry not in links]
        for entry in names:
            if entry.startswith(".") or not entry.lower().endswith(SUFFIXES):
                continue
            if (at / entry).exists() and not (at / entry).is_file():
                left_out.append(f"{at / entry} (not a regular file)")  # reading one may never end
            else:
                files.append(str(at / entry))
    return Found(tuple(sorted(files)), is_directory=True, left_out=tuple(sorted(left_out)))


def text_of(file: str, limit: int = MAX_BYTES) -> str:
    """Return the text of a file, or of standard input, of at most `limit` bytes."""
    raw = _raw(file, limit)
    if len(raw) > limit:
        raise UNREADABLE(reason=f"it is larger than {limit} bytes", where=shown(file))
    try:
        return raw.decode(json.detect_encoding(raw))  # as YAML 1.2 section 5.2 defines it, too
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise NOT_TEXT(line=line, where=shown(file)) from None


def mentions(file: str, word: str) -> bool:
    """Return whether a file cannot be searched, or contains a word in any encoding."""
    try:
        return word.encode() in _raw(file, MAX_BYTES).replace(b"\0", b"")
    except Fault:
        return True


def _refuse(error: OSError) -> None:
    raise UNREADABLE(reason=str(error.strerror), where=error.filename) from None


def shown(file: str) -> str:
    """Return the name of a file as messages have it."""
    return "standard input" if file == STDIN else file


def _raw(file: str, limit: int) -> bytes:
    """Return the content of a file, cut one byte above the limit."""
    try:
        if file == STDIN:
            stdin = environment().stdin
            if stdin is None:
                raise UNREADABLE(reason="it is closed", where=shown(file))
            return stdin.buffer.read(limit + 1)
        with Path(file).open("rb") as stream:
            return stream.read(limit + 1)
    except OSError as error:
        raise UNREADABLE(reason=str(error.strerror), where=file) from None
