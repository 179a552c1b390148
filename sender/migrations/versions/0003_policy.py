"""Counters, warm-up, holds, homes and receiving providers of the policy by bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import context, op

from kit.database import with_roles

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run the statements that stand beside this file."""
    driver: Any = op.get_bind().connection.driver_connection  # several statements, no parameters
    statements = Path(__file__).with_suffix(".sql").read_text()
    driver.execute(with_roles(statements, context.config.attributes["installation"]))


def downgrade() -> None:
    """Drop the schema."""
    op.execute("drop schema policy cascade")
