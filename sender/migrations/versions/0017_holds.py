"""What is held holds an address at its providers, too; a hold keeps its beginning."""

from __future__ import annotations

from sender.migrations.statements import run

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Run the statements beside this file."""
    run(__file__)


def downgrade() -> None:
    """Refuse."""
    raise NotImplementedError("the function before is not kept: restore a backup instead")
