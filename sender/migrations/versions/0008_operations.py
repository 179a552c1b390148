"""What operators do with the queue, and which events are found by their time."""

from __future__ import annotations

from sender.migrations.statements import run

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Run the statements beside this file."""
    run(__file__)


def downgrade() -> None:
    """Refuse: operators could not act on the queue any more."""
    raise NotImplementedError("restore a backup instead")
