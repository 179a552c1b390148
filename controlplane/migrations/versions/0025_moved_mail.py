"""A host gets Mailu, and its mail is moved; or it loses Mailu, with as much mail as was agreed."""

from __future__ import annotations

from alembic import context, op

from kit.database import with_roles

revision = "0025"
down_revision = "0024"


COLUMNS = """
alter table oltp.hosts add column moves_mail boolean not null default false;
comment on column oltp.hosts.moves_mail is
    'it has got Mailu, and the mail that it has of before is not in there yet';
comment on column oltp.hosts.mail is
    'what has its mailboxes, from the first run of the playbooks on';
alter table oltp.held_mail add column discards bigint;
comment on column oltp.held_mail.discards is
    'how many mails of the whole host a person has agreed to destroy with its Mailu';
grant update (discards) on oltp.held_mail to {api}, {operator};
"""


def upgrade() -> None:
    """Add the columns; no host gets or loses Mailu yet."""
    op.execute(with_roles(COLUMNS, context.config.attributes["installation"]))


def downgrade() -> None:
    """Drop the columns."""
    op.execute("alter table oltp.hosts drop column moves_mail")
    op.execute("alter table oltp.held_mail drop column discards")
