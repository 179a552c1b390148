"""What the provider lists as spam is asked for by one process, for all of them."""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"

COLUMNS = """
alter table oltp.listed_servers
    add column spam text[],
    add column spam_asked_at timestamptz not null default 'epoch';
comment on column oltp.listed_servers.spam is 'null: it is not known';
create index listed_servers_spam on oltp.listed_servers (spam_asked_at) where main_ip is not null;
"""


def upgrade() -> None:
    """Add the columns, with the rights of their table."""
    op.execute(COLUMNS)


def downgrade() -> None:
    """Drop them: it is asked again."""
    op.execute("alter table oltp.listed_servers drop spam, drop spam_asked_at")
