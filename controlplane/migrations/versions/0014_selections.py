"""Tenants are found by their labels, and by the reasons of their conditions."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"

INDEXES = """
create index tenants_labels on oltp.tenants using gin ((document->'metadata'->'labels'));
create index conditions_reason on oltp.conditions (reason, tenant_id)
    where status <> 'True' or acts is not null;
"""


def upgrade() -> None:
    """Create the indexes."""
    op.execute(INDEXES)


def downgrade() -> None:
    """Drop the indexes."""
    op.execute("drop index oltp.tenants_labels, oltp.conditions_reason")
