"""Which journal a process uses: both doors read the same environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from hostwinds.journal.file import FileJournal
from hostwinds.journal.port import Journal
from hostwinds.journal.postgres import PostgresJournal

DEFAULT = Path(".local/state/hostwinds/journal.json")
"""Below the home directory."""


def journal_from_environment(environment: Mapping[str, str] = os.environ) -> Journal:
    """Return the journal that `HOSTWINDS_JOURNAL` names: a PostgreSQL URL or a file."""
    place = environment.get("HOSTWINDS_JOURNAL", "")
    if place.startswith(("postgres://", "postgresql://")):
        return PostgresJournal(place)
    return FileJournal(Path(place) if place else Path.home() / DEFAULT)
