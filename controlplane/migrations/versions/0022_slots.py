"""Tenants whose operation waits for a slot."""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Add what a tenant waits for, and since when."""
    op.execute("alter table oltp.schedule add column waits_for text, add waits_since timestamptz")
    op.execute(
        "comment on column oltp.schedule.waits_for is 'the pool of a slot; null: it waits for none'"
    )
    op.execute("create index on oltp.schedule (waits_for, waits_since) where waits_for is not null")


def downgrade() -> None:
    """Drop the columns, and the index with them."""
    op.execute("alter table oltp.schedule drop column waits_for, drop column waits_since")
