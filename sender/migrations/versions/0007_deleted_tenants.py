"""Deleted tenants: what waits of their mail is cancelled."""

from __future__ import annotations

from sender.migrations.statements import run

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Run the statements that stand beside this file."""
    run(__file__)


def downgrade() -> None:
    """Refuse: their mail would wait until it expires."""
    raise NotImplementedError("restore a backup instead")
