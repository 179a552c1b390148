"""Checks from outside are rows, which passes read, and a process of its own renews."""

from __future__ import annotations

from alembic import context, op

from kit.database import with_roles

revision = "0029"
down_revision = "0028"

TABLE = """
create table oltp.checks (
    tenant_id uuid not null references oltp.tenants on delete cascade,
    kind text not null,
    input text not null,
    digest text not null,
    findings jsonb not null,
    is_right boolean not null,
    checked_at timestamptz not null,
    fresh_until timestamptz not null,
    due_at timestamptz not null,
    primary key (tenant_id, kind)
);
comment on table oltp.checks is 'what was found of a tenant from outside, by what is checked';
comment on column oltp.checks.input is 'what is checked, as JSON; without secrets';
comment on column oltp.checks.fresh_until is 'a pass relies on it until then';
comment on column oltp.checks.is_right is 'whether all was answered, and nothing is wrong';
create index checks_due on oltp.checks (due_at);
alter table oltp.checks enable row level security;
alter table oltp.checks force row level security;
create policy controller on oltp.checks to {controller} using (true) with check (true);
grant select, insert, update, delete on oltp.checks to {controller};
"""


def upgrade() -> None:
    """Create the table, for the reconciler and the checker alone."""
    op.execute(with_roles(TABLE, context.config.attributes["installation"]))


def downgrade() -> None:
    """Drop the table: the next passes check by themselves."""
    op.execute("drop table oltp.checks")
