"""Partitions of weeks, and an end for what had none."""

from __future__ import annotations

from sender.migrations.statements import run

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Run the statements that stand beside this file."""
    run(__file__)


def downgrade() -> None:
    """Refuse: partitions of days would overlap with those of weeks."""
    raise NotImplementedError("restore a backup instead")
