"""Mailboxes that are closed while mail is stopped, so that a start opens exactly these."""

from __future__ import annotations

from alembic import context, op

from kit.database import with_roles

revision = "0012"
down_revision = "0011"

TABLE = """
create table oltp.closed_mailboxes (
    tenant_id uuid not null references oltp.tenants on delete cascade,
    host text not null,
    address text not null,
    primary key (tenant_id, host, address)
);
comment on table oltp.closed_mailboxes is
    'mailboxes that a stop has closed: those that were open before it';
alter table oltp.closed_mailboxes enable row level security;
alter table oltp.closed_mailboxes force row level security;
create policy controller on oltp.closed_mailboxes to {controller} using (true) with check (true);
grant select, insert, delete on oltp.closed_mailboxes to {controller};
alter table oltp.identities add column stopped text[] not null default '{{}}';
comment on column oltp.identities.stopped is 'the mailboxes that were stopped at the last look';
"""


def upgrade() -> None:
    """Create the table, and grant its rights."""
    op.execute(with_roles(TABLE, context.config.attributes["installation"]))


def downgrade() -> None:
    """Refuse: what a stop has closed would stay closed."""
    raise NotImplementedError("start all mail, wait, and drop the table by hand")
