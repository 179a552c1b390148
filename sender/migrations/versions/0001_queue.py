"""Queue, directory and suppression with their row policies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import context, op

from kit.database import with_roles

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the statements that stand beside this file."""
    driver: Any = op.get_bind().connection.driver_connection  # several statements, no parameters
    statements = Path(__file__).with_suffix(".sql").read_text()
    driver.execute(with_roles(statements, context.config.attributes["installation"]))


def downgrade() -> None:
    """Drop everything but the version table's schema."""
    op.execute("drop schema directory cascade")
    op.execute("drop schema suppression cascade")
    op.execute(
        "drop table queue.events, queue.attachments, queue.payloads, queue.usage, queue.jobs"
    )
    op.execute("drop sequence queue.lease_tokens")
