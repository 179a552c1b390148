"""Messages are counted by months, limited by the plan, and tell their campaign."""

from __future__ import annotations

from sender.migrations.statements import run

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Run the statements that stand beside this file."""
    run(__file__)


def downgrade() -> None:
    """Refuse: the function before does not know campaigns."""
    raise NotImplementedError("restore a backup instead")
