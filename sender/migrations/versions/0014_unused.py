"""An end for buckets and recipients' domains that are not used any more."""

from __future__ import annotations

from typing import Any

from alembic import op

from sender.migrations.statements import run
from sender.queue.install import BUCKETS

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add what drops buckets that are not used, and when buckets and domains were used last."""
    driver: Any = op.get_bind().connection.driver_connection  # several statements, no parameters
    driver.execute(BUCKETS)
    run(__file__)


def downgrade() -> None:
    """Refuse: what was dropped is not known."""
    raise NotImplementedError("restore a backup instead")
