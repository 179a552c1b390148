"""Stalled tenants are counted by their reason."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"

INDEX = """
create index conditions_stalled on oltp.conditions (reason)
    where type = 'Stalled' and status = 'True';
"""


def upgrade() -> None:
    """Create the index."""
    op.execute(INDEX)


def downgrade() -> None:
    """Drop the index."""
    op.execute("drop index oltp.conditions_stalled")
