"""Stops of mailboxes, campaigns, queues and providers."""

from __future__ import annotations

from sender.migrations.statements import run

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Run the statements that stand beside this file."""
    run(__file__)


def downgrade() -> None:
    """Refuse: there may be stops that were not known before."""
    raise NotImplementedError("restore a backup instead")
