"""The queue of buckets takes over from one table of jobs."""

from __future__ import annotations

from typing import Any

from alembic import op

from sender.migrations.statements import run
from sender.queue.install import SCHEMA

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the queue's own tables, then what the sender has beside them, and carry jobs over."""
    driver: Any = op.get_bind().connection.driver_connection  # several statements, no parameters
    driver.execute(SCHEMA)
    run(__file__)


def downgrade() -> None:
    """Refuse: jobs of buckets do not fit into the tables before."""
    raise NotImplementedError("restore a backup instead")
