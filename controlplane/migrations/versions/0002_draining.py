"""Addresses are kept until their hosts have sent all mail."""

from __future__ import annotations

from alembic import context, op

from kit.database import with_roles

revision = "0002"
down_revision = "0001"

TABLES = """
create table oltp.draining (
    tenant_id uuid not null references oltp.tenants on delete cascade,
    address text not null,
    host jsonb not null,
    since timestamptz not null default now(),
    released_at timestamptz,
    primary key (tenant_id, address)
);
comment on table oltp.draining is 'addresses that the document no longer wants for bulk mail';
comment on column oltp.draining.host is 'as it was when the document had it';
comment on column oltp.draining.released_at is 'it may be removed; of a deleted tenant: it was';
alter table oltp.draining enable row level security;
alter table oltp.draining force row level security;
create policy api on oltp.draining for select to {api}
    using (tenant_id = nullif(current_setting('app.current_tenant_id', true), '')::uuid);
create policy operator on oltp.draining for select to {operator} using (true);
create policy controller on oltp.draining to {controller} using (true) with check (true);
grant select on oltp.draining to {api}, {operator};
grant select, insert, update, delete on oltp.draining to {controller};
alter table oltp.tenants add column release_before timestamptz;
comment on column oltp.tenants.release_before is
    'what drains since before is released at once, by decision of an operator';
"""


def upgrade() -> None:
    """Create the table, and grant each role its rights."""
    op.execute(with_roles(TABLES, context.config.attributes["installation"]))


def downgrade() -> None:
    """Refuse: addresses would be removed with the mail on their hosts."""
    raise NotImplementedError("restore a backup instead")
