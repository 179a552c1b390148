"""Which container images hosts run."""

from __future__ import annotations

from alembic import context, op

from kit.database import with_roles

revision = "0004"
down_revision = "0003"

TABLES = """
create table oltp.pinned_images (
    service text primary key,
    image text not null,
    tag text not null,
    digest text not null check (digest ~ '^sha256:[0-9a-f]{64}$'),
    registry text not null,
    pinned_at timestamptz not null,
    pinned_by text not null
);
comment on table oltp.pinned_images is 'of the platform: what hosts with mailboxes run';
comment on column oltp.pinned_images.image is 'name by which hosts pull it';
comment on column oltp.pinned_images.registry is 'that the digest was read from';
comment on column oltp.pinned_images.pinned_by is 'prefix of the API key of the request';
alter table oltp.pinned_images enable row level security;
alter table oltp.pinned_images force row level security;
create policy operator on oltp.pinned_images to {operator} using (true) with check (true);
create policy controller on oltp.pinned_images for select to {controller} using (true);
grant select, insert, update on oltp.pinned_images to {operator};
grant select on oltp.pinned_images to {controller};
"""


def upgrade() -> None:
    """Create the table; a tenant's key has no right to it."""
    op.execute(with_roles(TABLES, context.config.attributes["installation"]))


def downgrade() -> None:
    """Refuse."""
    raise NotImplementedError("what hosts run would be unknown: restore a backup instead")
