"""All processes share the slots of a provider's account; operations have figures of memory."""

from __future__ import annotations

from alembic import context, op

from kit.database import with_roles

revision = "0027"
down_revision = "0026"

TABLES = """
create table oltp.account_slots (
    pool text not null,
    number int not null,
    token bigint not null default 0,
    until timestamptz not null default '-infinity',
    primary key (pool, number)
);
comment on table oltp.account_slots is 'how many operations change a provider''s account at once';
comment on column oltp.account_slots.token is 'of the lease whose pass has it';
create table oltp.account_troubles (
    pool text primary key,
    message text not null,
    until timestamptz not null
);
alter table oltp.operations add column peak_memory bigint;
comment on column oltp.operations.peak_memory is 'bytes of its largest process';
comment on table oltp.account_troubles is 'accounts that are refused: one pass tries after `until`';
"""

RIGHTS = """
alter table oltp.account_slots enable row level security;
alter table oltp.account_slots force row level security;
create policy controller on oltp.account_slots to {controller} using (true) with check (true);
grant select, insert, update on oltp.account_slots to {controller};
alter table oltp.account_troubles enable row level security;
alter table oltp.account_troubles force row level security;
create policy controller on oltp.account_troubles to {controller} using (true) with check (true);
grant select, insert, update, delete on oltp.account_troubles to {controller};
"""


def upgrade() -> None:
    """Create the tables, for the reconciler alone, and add the figure."""
    op.execute(TABLES)
    op.execute(with_roles(RIGHTS, context.config.attributes["installation"]))


def downgrade() -> None:
    """Drop them: each process keeps its own slots."""
    op.execute("drop table oltp.account_slots, oltp.account_troubles")
    op.execute("alter table oltp.operations drop column peak_memory")
