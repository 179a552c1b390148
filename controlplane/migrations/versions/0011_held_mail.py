"""What the mailboxes of hosts hold, and which of it a person has agreed to destroy."""

from __future__ import annotations

from alembic import context, op

from kit.database import with_roles

revision = "0011"
down_revision = "0010"

TABLE = """
create table oltp.held_mail (
    tenant_id uuid not null references oltp.tenants on delete cascade,
    host text not null,
    address text not null,
    size bigint not null,
    is_ours boolean not null,
    confirmed boolean not null default false,
    primary key (tenant_id, host, address)
);
comment on table oltp.held_mail is
    'each mailbox that a host with Mailu has, or is about to get, as the last look saw it';
comment on column oltp.held_mail.size is 'bytes';
comment on column oltp.held_mail.is_ours is 'a foreign mailbox goes with its host only';
comment on column oltp.held_mail.confirmed is 'a person has agreed that its mail is destroyed';
alter table oltp.held_mail enable row level security;
alter table oltp.held_mail force row level security;
create policy api on oltp.held_mail to {api}
    using (tenant_id = nullif(current_setting('app.current_tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.current_tenant_id', true), '')::uuid);
create policy operator on oltp.held_mail to {operator} using (true) with check (true);
create policy controller on oltp.held_mail to {controller} using (true) with check (true);
grant select, update (confirmed) on oltp.held_mail to {api}, {operator};
grant select, insert, update, delete on oltp.held_mail to {controller};
update oltp.identities set digest = '';
"""
"""The next pass looks at each host, and so learns what its mailboxes hold."""


def upgrade() -> None:
    """Create the table, and grant each role its rights."""
    op.execute(with_roles(TABLE, context.config.attributes["installation"]))


def downgrade() -> None:
    """Refuse: hosts would be ended with the mail on them."""
    raise NotImplementedError("restore a backup instead")
