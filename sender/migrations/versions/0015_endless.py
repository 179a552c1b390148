"""Holds without an end are told from those that end by themselves."""

from __future__ import annotations

from alembic import op

from sender.migrations.statements import run

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Say which holds have no end."""
    run(__file__)


def downgrade() -> None:
    """Say it of none, as before."""
    op.execute("alter table queue.buckets drop column endless")
