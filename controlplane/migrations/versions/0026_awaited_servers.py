"""Servers that the provider creates are waited for as rows."""

from __future__ import annotations

from alembic import context, op

from kit.database import with_roles

revision = "0026"
down_revision = "0025"

TABLE = """
create table oltp.awaited_servers (
    tenant_id uuid not null references oltp.tenants on delete cascade,
    host text not null,
    server_name text not null,
    since timestamptz not null,
    until timestamptz not null,
    is_finished boolean not null default false,
    primary key (tenant_id, host)
);
comment on table oltp.awaited_servers is
    'servers that are ordered and have no address yet, for which no engine runs';
comment on column oltp.awaited_servers.until is 'the engine looks then, whatever listings show';
comment on column oltp.awaited_servers.is_finished is
    'a listing has shown it active, or failed';
"""

RIGHTS = """
alter table oltp.awaited_servers enable row level security;
alter table oltp.awaited_servers force row level security;
create policy controller on oltp.awaited_servers to {controller} using (true) with check (true);
grant select, insert, update, delete on oltp.awaited_servers to {controller};
"""


def upgrade() -> None:
    """Create the table, for the reconciler alone."""
    op.execute(TABLE)
    op.execute(with_roles(RIGHTS, context.config.attributes["installation"]))


def downgrade() -> None:
    """Drop it: the engine looks for servers itself."""
    op.execute("drop table oltp.awaited_servers")
