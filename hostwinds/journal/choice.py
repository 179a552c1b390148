"""Chooses the journal of a process by its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from hostwinds.faults import NO_JOURNAL
from hostwinds.journal.file import FileJournal
from hostwinds.journal.port import Journal
from hostwinds.journal.postgres import PostgresJournal

POSTGRES = ("postgres://", "postgresql://")


def journal_from_environment(environment: Mapping[str, str] = os.environ) -> Journal:
    """Return the journal of `HOSTWINDS_JOURNAL`; raises NO_JOURNAL."""
    return journal_at(journal_location(environment))


def journal_at(location: str) -> Journal:
    """Return the journal of a PostgreSQL URL or of a file."""
    if location.startswith(POSTGRES):
        return PostgresJournal(location)
    return FileJournal(Path(location))


def journal_location(environment: Mapping[str, str]) -> str:
    """Return the PostgreSQL URL or the file of `HOSTWINDS_JOURNAL`; raises NO_JOURNAL.

    All who buy from one account share one journal, so it is in a database. A file is accepted for
    an emulated provider only, which is on this machine.
    """
    location = environment.get("HOSTWINDS_JOURNAL", "").strip()
    if not location:
        raise NO_JOURNAL(problem="HOSTWINDS_JOURNAL is not set")
    if not location.startswith(POSTGRES) and not _is_emulated(environment):
        raise NO_JOURNAL(
            problem="HOSTWINDS_JOURNAL is no postgresql:// URL, and no other machine shares a file"
        )
    return location


def _is_emulated(environment: Mapping[str, str]) -> bool:
    host = urlsplit(environment.get("HOSTWINDS_API_URL", "")).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
