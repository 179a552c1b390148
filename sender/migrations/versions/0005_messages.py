"""Messages are enqueued in batches, expire when their caller says, and are found by recipient."""

from __future__ import annotations

from sender.migrations.statements import run

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run the statements beside this file."""
    run(__file__)


def downgrade() -> None:
    """Refuse: what expires at a caller's time would not any more."""
    raise NotImplementedError("restore a backup instead")
