"""Enqueueing takes less of the processor; jobs that are alike have a function of their own."""

from __future__ import annotations

from typing import Any

from alembic import op

from sender.queue.install import ENQUEUE

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Replace the queue's functions of enqueueing."""
    driver: Any = op.get_bind().connection.driver_connection  # several statements, no parameters
    driver.execute(ENQUEUE)


def downgrade() -> None:
    """Refuse: the functions before are not kept, and earlier senders work with these."""
    raise NotImplementedError("restore a backup instead")
