"""A person can let a server be bought again that has ended at the provider."""

from __future__ import annotations

from alembic import op

revision = "0035"
down_revision = "0034"

COLUMN = """
alter table oltp.tenants add column bought_again bigint[] not null default '{}';
comment on column oltp.tenants.bought_again is
    'service ids of servers that have ended, instead of which an operator lets others be bought';
"""


def upgrade() -> None:
    """Add the column; a tenant's key has no right to change it."""
    op.execute(COLUMN)


def downgrade() -> None:
    """Drop the column: what was not bought yet needs the word of a person again."""
    op.execute("alter table oltp.tenants drop bought_again")
