"""Operators' mail can come first; keys and quotas have the short form of enqueueing."""

from __future__ import annotations

from typing import Any

from alembic import op

from sender.migrations.statements import run
from sender.queue.install import ENQUEUE

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Replace the functions of enqueueing."""
    driver: Any = op.get_bind().connection.driver_connection  # several statements, no parameters
    driver.execute(ENQUEUE)
    run(__file__)


def downgrade() -> None:
    """Refuse."""
    raise NotImplementedError("the functions before are not kept: restore a backup instead")
