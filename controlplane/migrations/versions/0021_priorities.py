"""Two more reasons for a pass: a change of the platform, and what wakes a tenant that waits."""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Renumber: a retry was 1, a regular look 2.

    What a process of an earlier version writes meanwhile is looked at earlier than it would be.
    """
    op.execute("update oltp.schedule set priority = priority + 2 where priority in (1, 2)")


def downgrade() -> None:
    """Number as before; both new reasons become retries."""
    op.execute("update oltp.schedule set priority = greatest(1, priority - 2) where priority > 0")
