"""The index of what expires also knows what was pushed to Redis."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

OLD = "state in ('queued', 'held', 'deferred')"
NEW = "state in ('queued', 'held', 'deferred', 'migrated_to_redis')"


def upgrade() -> None:
    """Make the wider index, then drop the narrow one."""
    op.execute(f"create index jobs_expires on queue.jobs (expires_at) where {NEW}")
    op.execute("drop index queue.jobs_expiring")


def downgrade() -> None:
    """Go back to the narrow index."""
    op.execute(f"create index jobs_expiring on queue.jobs (expires_at) where {OLD}")
    op.execute("drop index queue.jobs_expires")
