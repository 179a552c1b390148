"""Freezes of the whole platform, written below the API, which has tests of its own."""

from __future__ import annotations

import psycopg

from hostwinds.journal.port import Frozen

REASON = "the bill is being checked"
ACTOR = "pm_live_1"


def freeze(dsn: str, what: Frozen) -> None:
    """Freeze it for all tenants."""
    with psycopg.connect(dsn) as admin:
        admin.execute(
            "insert into purchase.freezes (what, reason, actor) values (%s, %s, %s)",
            [what, REASON, ACTOR],
        )


def unfreeze(dsn: str, what: Frozen) -> None:
    """Let it go on."""
    with psycopg.connect(dsn) as admin:
        admin.execute("delete from purchase.freezes where what = %s", [what])
