"""Runs the SQL file that stands beside a revision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import context, op

from kit.database import with_roles


def run(revision: str) -> None:
    """Run the statements of a revision, given its `__file__`, with the installation's roles."""
    driver: Any = op.get_bind().connection.driver_connection  # several statements, no parameters
    statements = Path(revision).with_suffix(".sql").read_text()
    driver.execute(with_roles(statements, context.config.attributes["installation"]))
