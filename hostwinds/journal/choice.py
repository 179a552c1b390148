"""Chooses the journal of a process by its environment."""

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
    location = environment.get("HOSTWINDS_JOURNAL", "")
    if location.startswith(("postgres://", "postgresql://")):
        return PostgresJournal(location)
    return FileJournal(Path(location) if location else Path.home() / DEFAULT)
