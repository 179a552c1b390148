"""Suppressions have one row for each reason, and say who added them."""

from __future__ import annotations

from sender.migrations.statements import run

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run the statements that stand beside this file."""
    run(__file__)


def downgrade() -> None:
    """Refuse: there was one row for each recipient."""
    raise NotImplementedError("restore a backup instead")
