"""Mail of unknown outcome is found by tenant."""

from __future__ import annotations

from alembic import op

from sender.migrations.statements import run

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Run the statements beside this file."""
    run(__file__)


def downgrade() -> None:
    """Remove the index."""
    op.execute("drop index queue.unknown_of_tenant")
