"""What of a blueprint concerns the providers has a digest of its own."""

from __future__ import annotations

from alembic import op

revision = "0034"
down_revision = "0033"

COLUMN = """
alter table oltp.digests add column cloud text;
comment on column oltp.digests.cloud is 'of what the program declares; null: of an older version';
"""


def upgrade() -> None:
    """Add the column, with the rights of its table."""
    op.execute(COLUMN)


def downgrade() -> None:
    """Drop it: other changes run the engine as well again."""
    op.execute("alter table oltp.digests drop cloud")
