"""An operator can ask for a comparison of a tenant's state with the providers."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"

COLUMN = """
alter table oltp.tenants add column refresh_asked_at timestamptz;
comment on column oltp.tenants.refresh_asked_at is
    'null: what was asked for last has succeeded, or nothing was';
"""


def upgrade() -> None:
    """Add the column; a tenant's key has no right to change it."""
    op.execute(COLUMN)


def downgrade() -> None:
    """Drop the column."""
    op.execute("alter table oltp.tenants drop refresh_asked_at")
