"""The API reads no directory entry: it holds sealed secrets, and nobody there needs them."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Take the right away."""
    op.execute("revoke select on directory.entries from penguin_api")


def downgrade() -> None:
    """Give it back."""
    op.execute("grant select on directory.entries to penguin_api")
