"""A host that had no Mailu gets it, and the mail that it has is moved."""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Add the column; no host moves mail yet."""
    op.execute("alter table oltp.hosts add column moves_mail boolean not null default false")
    op.execute(
        "comment on column oltp.hosts.moves_mail is "
        "'it has got Mailu, and the mail that it has of before is not in there yet'"
    )
    op.execute(
        "comment on column oltp.hosts.mail is "
        "'what has its mailboxes, from the first run of the playbooks on'"
    )


def downgrade() -> None:
    """Drop the column."""
    op.execute("alter table oltp.hosts drop column moves_mail")
