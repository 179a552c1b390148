"""Counters, warm-up, holds, homes and receiving providers of the policy by bucket."""

from __future__ import annotations

from sender.migrations.statements import run

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run the statements beside this file."""
    run(__file__)


def downgrade() -> None:
    """Refuse: what was sent to each provider does not fit into the tables before."""
    raise NotImplementedError("restore a backup instead")
