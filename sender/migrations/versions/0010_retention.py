"""Partitions of weeks, an end for what had none, and mail that is due in 30 days at most."""

from __future__ import annotations

from sender.migrations.statements import run

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Run the statements that stand beside this file."""
    run(__file__)


def downgrade() -> None:
    """Refuse: partitions of days would overlap with those of weeks."""
    raise NotImplementedError("restore a backup instead")
