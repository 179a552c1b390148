"""Which addresses the account's listing shows of a server: it may have lost one."""

from __future__ import annotations

from alembic import op

revision = "0033"
down_revision = "0032"

COLUMN = """
alter table oltp.listed_servers add column addresses text;
comment on column oltp.listed_servers.addresses is 'with commas; null: it was not listed yet';
"""


def upgrade() -> None:
    """Add the column, with the rights of its table."""
    op.execute(COLUMN)


def downgrade() -> None:
    """Drop it: the next listing says it again."""
    op.execute("alter table oltp.listed_servers drop addresses")
