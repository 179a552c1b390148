"""Tenants that are due are listed page by page: an index has them in that order."""

from __future__ import annotations

from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Add the tenant to the index of what is due."""
    op.execute("create index schedule_due on oltp.schedule (priority, due_at, tenant_id)")
    op.execute("drop index oltp.schedule_priority_due_at_idx")


def downgrade() -> None:
    """Leave it out again."""
    op.execute("create index schedule_priority_due_at_idx on oltp.schedule (priority, due_at)")
    op.execute("drop index oltp.schedule_due")
