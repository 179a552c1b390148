"""Events know the transaction that wrote them: writers and readers wait for none of the others."""

from __future__ import annotations

from alembic import op

revision = "0031"
down_revision = "0030"

COLUMN = """
alter table oltp.events add column xid xid8 not null default '0';
alter table oltp.events alter column xid set default pg_current_xact_id();
comment on column oltp.events.xid is 'the transaction that wrote it; 0: one of long ago';
create index events_xid on oltp.events (xid);
"""


def upgrade() -> None:
    """Add the column, with the rights of its table."""
    op.execute(COLUMN)


def downgrade() -> None:
    """Drop it."""
    op.execute("alter table oltp.events drop column xid")
