"""The digest of a blueprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping


def digest_of(document: Mapping[str, object]) -> str:
    """Return `sha256:…` over the canonical JSON (sorted keys, no spaces) of a document."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"
