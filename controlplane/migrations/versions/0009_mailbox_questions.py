"""Questions about mailboxes, which the API asks and the reconciler answers."""

from __future__ import annotations

from alembic import context, op

from kit.database import with_roles

revision = "0009"
down_revision = "0008"

TABLES = """
create table oltp.mailbox_questions (
    id uuid primary key,
    tenant_id uuid not null references oltp.tenants on delete cascade,
    host text not null,
    action text not null,
    address text not null,
    name text not null,
    public_key text not null,
    asked_at timestamptz not null default now(),
    taken boolean not null default false,
    answer text
);
comment on table oltp.mailbox_questions is
    'deleted when they are answered, or given up by the process that asked';
comment on column oltp.mailbox_questions.answer is
    'sealed with public_key, whose private half only the asking process has';
create index on oltp.mailbox_questions (tenant_id);
alter table oltp.mailbox_questions enable row level security;
alter table oltp.mailbox_questions force row level security;
create policy api on oltp.mailbox_questions to {api}
    using (tenant_id = nullif(current_setting('app.current_tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.current_tenant_id', true), '')::uuid);
create policy operator on oltp.mailbox_questions to {operator} using (true) with check (true);
create policy controller on oltp.mailbox_questions to {controller} using (true) with check (true);
grant select, insert, delete on oltp.mailbox_questions to {api}, {operator};
grant select, update, delete on oltp.mailbox_questions to {controller};
"""


def upgrade() -> None:
    """Create the table, and grant each role its rights."""
    op.execute(with_roles(TABLES, context.config.attributes["installation"]))


def downgrade() -> None:
    """Drop it: nothing in it is older than a minute."""
    op.execute("drop table oltp.mailbox_questions")
