"""A mail's places in the caps, and its body, are found with less work."""

from __future__ import annotations

from alembic import op

from sender.migrations.statements import run

revision = "0020"
down_revision = "0018"


def upgrade() -> None:
    """Run the statements beside this file."""
    run(__file__)


def downgrade() -> None:
    """Leave the function, since the one before did the same, and the rows as they are written."""
    op.execute("alter table queue.bodies alter column body set storage extended")
