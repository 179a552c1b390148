"""Buckets say which holds have no end."""

from __future__ import annotations

from alembic import op

from sender.migrations.statements import run

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add the column, and fill it for the holds of now."""
    run(__file__)


def downgrade() -> None:
    """Remove the column."""
    op.execute("alter table queue.buckets drop column endless")
