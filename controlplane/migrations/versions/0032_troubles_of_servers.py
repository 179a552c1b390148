"""What the account's listing says of a server that does not run, or may not be changed."""

from __future__ import annotations

from alembic import op

revision = "0032"
down_revision = "0031"

COLUMN = """
alter table oltp.listed_servers add column trouble text;
comment on column oltp.listed_servers.trouble is 'null: none was listed';
"""


def upgrade() -> None:
    """Add the column, with the rights of its table."""
    op.execute(COLUMN)


def downgrade() -> None:
    """Drop it: the next listing says it again."""
    op.execute("alter table oltp.listed_servers drop trouble")
