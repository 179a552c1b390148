"""Enqueueing reads the jobs of a call without storing them first."""

from __future__ import annotations

from typing import Any

from alembic import op

from sender.queue.install import ENQUEUE

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Replace the queue's functions of enqueueing."""
    driver: Any = op.get_bind().connection.driver_connection  # several statements, no parameters
    driver.execute(ENQUEUE)


def downgrade() -> None:
    """Leave the functions, since the ones before did the same."""
