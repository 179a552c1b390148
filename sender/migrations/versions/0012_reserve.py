"""Places are reserved with fewer looks at the counters."""

from __future__ import annotations

from sender.migrations.statements import run

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Run the statements beside this file."""
    run(__file__)


def downgrade() -> None:
    """Do nothing: the function before did the same."""
