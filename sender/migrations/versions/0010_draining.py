"""Addresses that take no new mail before they are released, and mail that was lost with them."""

from __future__ import annotations

from sender.migrations.statements import run

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Run the statements that stand beside this file."""
    run(__file__)


def downgrade() -> None:
    """Refuse: nothing would keep mail from an address that is released."""
    raise NotImplementedError("restore a backup instead")
