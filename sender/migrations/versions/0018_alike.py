"""Enqueueing takes less of the processor with keys and quotas, and for mail of one bucket."""

from __future__ import annotations

from typing import Any

from alembic import op

from sender.migrations.statements import run
from sender.queue.install import ENQUEUE

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Replace the functions of enqueueing."""
    driver: Any = op.get_bind().connection.driver_connection  # several statements, no parameters
    driver.execute(ENQUEUE)
    run(__file__)


def downgrade() -> None:
    """Refuse: the functions before are not kept, and earlier senders work with these."""
    raise NotImplementedError("restore a backup instead")
