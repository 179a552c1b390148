"""Partitions of weeks, and an end for what had none."""

from __future__ import annotations

from typing import Any

from alembic import op

from sender.migrations.statements import run
from sender.queue.install import PARTITIONS

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Replace the queue's functions of partitions, then run the statements beside this file."""
    driver: Any = op.get_bind().connection.driver_connection  # several statements, no parameters
    driver.execute(PARTITIONS)
    run(__file__)


def downgrade() -> None:
    """Refuse: partitions of days would overlap with those of weeks."""
    raise NotImplementedError("restore a backup instead")
