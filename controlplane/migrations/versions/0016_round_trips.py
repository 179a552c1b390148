"""The last try of people's mail, of each domain; the next pass makes the tokens that it needs."""

from __future__ import annotations

from alembic import context, op

from kit.database import with_roles

revision = "0016"
down_revision = "0015"

TABLE = """
create table oltp.round_trips (
    tenant_id uuid not null references oltp.tenants on delete cascade,
    domain text not null,
    host text not null,
    configured text,
    at timestamptz not null,
    is_right boolean,
    noted jsonb,
    unsuccessful integer not null,
    wrong integer not null,
    wrong_since timestamptz,
    primary key (tenant_id, domain)
);
comment on table oltp.round_trips is
    'the last try of a domain''s mail through our mailbox on a host with Mailu';
comment on column oltp.round_trips.configured is 'digest of what the host was configured with';
comment on column oltp.round_trips.is_right is 'null: nobody answered';
comment on column oltp.round_trips.noted is 'what was wrong, or a remark';
comment on column oltp.round_trips.unsuccessful is 'tries since the last that was right';
comment on column oltp.round_trips.wrong is 'those of them that were wrong';
alter table oltp.round_trips enable row level security;
alter table oltp.round_trips force row level security;
create policy controller on oltp.round_trips to {controller} using (true) with check (true);
grant select, insert, update, delete on oltp.round_trips to {controller};
update oltp.identities set digest = '';
"""
"""The next pass looks at each host, and so makes the token of our mailbox."""


def upgrade() -> None:
    """Create the table, and grant its rights."""
    op.execute(with_roles(TABLE, context.config.attributes["installation"]))


def downgrade() -> None:
    """Drop the table: it has nothing that the next try does not show."""
    op.execute("drop table oltp.round_trips")
