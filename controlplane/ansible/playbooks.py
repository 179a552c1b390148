"""The digest of what configures every host: when it differs, hosts are configured again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from controlplane.ansible import host_variables

WITHOUT_EFFECT = {".md", ".pyc"}


def digest_of(playbooks: Path, variables: Mapping[str, Any]) -> str:
    """Return the digest of playbooks, of variables of their roles, and of how `host` is made."""
    digest = hashlib.sha256(json.dumps(variables, sort_keys=True).encode())
    host = "host", Path(host_variables.__file__).read_bytes()
    for name, content in (*_files(playbooks), host):
        digest.update(f"\n{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _files(directory: Path) -> Iterator[tuple[str, bytes]]:
    """Return each file that a run reads, by its path inside the directory."""
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory)
        is_hidden = any(part.startswith(".") for part in name.parts)
        if path.is_file() and not is_hidden and path.suffix not in WITHOUT_EFFECT:
            yield name.as_posix(), path.read_bytes()
