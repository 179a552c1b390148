"""What is held holds an address at its providers, too; a hold keeps its beginning."""

from __future__ import annotations

from sender.migrations.statements import run

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Run the statements beside this file."""
    run(__file__)


def downgrade() -> None:
    """Refuse: the function before is not kept, and earlier senders work with this one."""
    raise NotImplementedError("restore a backup instead")
