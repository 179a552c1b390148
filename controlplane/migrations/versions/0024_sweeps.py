"""One process sweeps the provider's account, operations are cancelled, the epoch is raised."""

from __future__ import annotations

from alembic import context, op

from kit.database import with_roles

revision = "0024"
down_revision = "0023"

TABLES = """
create table oltp.sweeps (
    account text primary key,
    due_at timestamptz not null default clock_timestamp(),
    lease_owner text,
    lease_until timestamptz,
    token bigint not null default 0,
    listed_at timestamptz
);
comment on table oltp.sweeps is 'which process lists the account of a provider, and when again';
create table oltp.listed_servers (
    service_id bigint primary key,
    main_ip text
);
comment on table oltp.listed_servers is 'servers of tenants, as the account was listed last';
comment on column oltp.listed_servers.main_ip is 'null: it was not listed';
alter table oltp.operations add column cancelled_by text, add column cancel_reason text;
comment on column oltp.operations.cancelled_by is 'prefix of the API key of the request';
"""

RIGHTS = """
alter table oltp.sweeps enable row level security;
alter table oltp.sweeps force row level security;
create policy controller on oltp.sweeps to {controller} using (true) with check (true);
grant select, insert, update on oltp.sweeps to {controller};
alter table oltp.listed_servers enable row level security;
alter table oltp.listed_servers force row level security;
create policy controller on oltp.listed_servers to {controller} using (true) with check (true);
grant select, insert, update, delete on oltp.listed_servers to {controller};
grant select, update on sequence oltp.fencing to {controller};
grant update (cancelled_by, cancel_reason) on oltp.operations to {operator};
"""


def upgrade() -> None:
    """Create the tables, for the reconciler alone, and let operators cancel operations."""
    op.execute(TABLES)
    op.execute(with_roles(RIGHTS, context.config.attributes["installation"]))


def downgrade() -> None:
    """Drop them: the next listing shows what the tables have."""
    op.execute("drop table oltp.sweeps, oltp.listed_servers")
    op.execute("alter table oltp.operations drop cancelled_by, drop cancel_reason")
