"""Digests of what the playbooks read: when one differs, hosts are configured again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

WITHOUT_EFFECT = {".md", ".pyc"}


def digest_of(playbooks: Path, variables: Mapping[str, Any]) -> str:
    """Return the digest of playbooks and of variables of their roles."""
    digest = hashlib.sha256(json.dumps(variables, sort_keys=True).encode())
    for name, content in _files(playbooks):
        digest.update(f"\n{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def digests_of(host: Mapping[str, Any], playbooks: str) -> tuple[str, str]:
    """Return the digests of a host's variables and of what else configures it.

    `playbooks` is the digest of playbooks and settings. What is installed of Mailu counts with it,
    as it does not follow from the blueprint.
    """
    own = {name: value for name, value in host.items() if name != "mailu"}
    return _hashed(own), _hashed([playbooks, host["mailu"]])


def _hashed(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _files(directory: Path) -> Iterator[tuple[str, bytes]]:
    """Return each file that a run reads, by its path inside the directory."""
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory)
        is_hidden = any(part.startswith(".") for part in name.parts)
        if path.is_file() and not is_hidden and path.suffix not in WITHOUT_EFFECT:
            yield name.as_posix(), path.read_bytes()
