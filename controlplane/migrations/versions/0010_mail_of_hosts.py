"""What has the mailboxes of a host, and which configuration of it is not to be repeated."""

from __future__ import annotations

from alembic import context, op

from kit.database import with_roles

revision = "0010"
down_revision = "0009"

COLUMNS = """
alter table oltp.hosts add column mail text check (mail in ('none', 'mailu')),
    add column refused_digest text;
comment on column oltp.hosts.mail is
    'what has its mailboxes, from the first run of the playbooks on; it stays';
comment on column oltp.hosts.refused_digest is 'of a run that failed, and is not to be repeated';
update oltp.hosts set mail = 'none' where host_key is not null;
create policy api on oltp.pinned_images for select to {api} using (true);
grant select (service) on oltp.pinned_images to {api};
"""


def upgrade() -> None:
    """Add the columns; whatever was configured before has no Mailu."""
    op.execute(with_roles(COLUMNS, context.config.attributes["installation"]))


def downgrade() -> None:
    """Refuse: a host with Mailu would be configured as one without."""
    raise NotImplementedError("restore a backup instead")
