"""When the engine wrote the state that an operation left, so that a run by hand is noticed."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add the column; earlier operations have none, and are taken for the last ones."""
    op.execute("alter table oltp.operations add column state text")
    op.execute(
        "comment on column oltp.operations.state is "
        "'when the engine wrote the state that it left, by the state itself'"
    )


def downgrade() -> None:
    """Drop the column."""
    op.execute("alter table oltp.operations drop column state")
