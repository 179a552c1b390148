"""Queue, directory and suppression with their row policies."""

from __future__ import annotations

from alembic import op

from sender.migrations.statements import run

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the statements that stand beside this file."""
    run(__file__)


def downgrade() -> None:
    """Drop everything but the version table's schema."""
    op.execute("drop schema directory cascade")
    op.execute("drop schema suppression cascade")
    op.execute(
        "drop table queue.events, queue.attachments, queue.payloads, queue.usage, queue.jobs"
    )
    op.execute("drop sequence queue.lease_tokens")
