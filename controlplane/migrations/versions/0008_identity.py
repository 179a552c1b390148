"""What Mailu has of a tenant's mailboxes, and what is left of removed ones."""

from __future__ import annotations

from alembic import context, op

from kit.database import with_roles

revision = "0008"
down_revision = "0007"

TABLES = """
create table oltp.identities (
    tenant_id uuid not null references oltp.tenants on delete cascade,
    host text not null,
    digest text not null,
    configured text,
    at timestamptz not null,
    findings jsonb not null,
    trouble jsonb,
    primary key (tenant_id, host)
);
comment on table oltp.identities is 'the last look at the mailboxes of each host with Mailu';
comment on column oltp.identities.digest is 'of what was declared for it';
comment on column oltp.identities.configured is 'what the playbooks had applied by then';
comment on column oltp.identities.trouble is 'what kept it from being looked at; null: nothing';
create table oltp.purges (
    tenant_id uuid not null references oltp.tenants on delete cascade,
    host text not null,
    name text not null,
    since timestamptz not null default now(),
    primary key (tenant_id, host, name)
);
comment on table oltp.purges is
    'addresses and domains that were removed from Mailu, and whose files are still on the host';
"""


def upgrade() -> None:
    """Create the tables, which are the reconciler's."""
    op.execute(TABLES)
    for table in ("identities", "purges"):
        op.execute(f"alter table oltp.{table} enable row level security")
        op.execute(f"alter table oltp.{table} force row level security")
        _execute(f"grant select, insert, update, delete on oltp.{table} to {{controller}}")
        _execute(
            f"create policy controller on oltp.{table} to {{controller}} "
            "using (true) with check (true)"
        )


def downgrade() -> None:
    """Refuse: the next owner of a name would read the mail of the one before."""
    raise NotImplementedError("restore a backup instead")


def _execute(statement: str) -> None:
    op.execute(with_roles(statement, context.config.attributes["installation"]))
