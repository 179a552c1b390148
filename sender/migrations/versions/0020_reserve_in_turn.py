"""Places are reserved row by row: what that takes grows with their number, not with its square."""

from __future__ import annotations

from sender.migrations.statements import run

revision = "0020"
down_revision = "0018"


def upgrade() -> None:
    """Run the statements beside this file."""
    run(__file__)


def downgrade() -> None:
    """Do nothing: the function before did the same."""
