"""The table of the engine's state exists before the first engine starts."""

from __future__ import annotations

from alembic import context, op

from kit.database import with_roles

revision = "0007"
down_revision = "0006"

TABLE = """
create table if not exists pulumi.pulumi_state (
    key text primary key,
    data json not null,
    updated_at timestamptz not null default now()
);
create index if not exists pulumi_state_key_prefix_idx
    on pulumi.pulumi_state (key text_pattern_ops);
alter table pulumi.pulumi_state owner to {engine};
"""


def upgrade() -> None:
    """Create what each engine creates where it is missing: of two that do it at once, one fails."""
    op.execute(with_roles(TABLE, context.config.attributes["installation"]))


def downgrade() -> None:
    """Leave it: it holds the state of every tenant, and engines of before use it as it is."""
