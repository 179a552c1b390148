"""The platform's freezes, which the purchase journal looks at before each order and each end."""

from __future__ import annotations

from alembic import context, op

from kit.database import with_roles

revision = "0017"
down_revision = "0016"

TABLE = """
create schema if not exists purchase;
create table if not exists purchase.freezes (
    what text primary key check (what in ('purchases', 'destruction')),
    reason text not null,
    actor text not null,
    since timestamptz not null default clock_timestamp()
);
grant usage on schema purchase to {api}, {operator};
grant select on purchase.freezes to {api};
grant select, insert, update, delete on purchase.freezes to {operator};
"""


def upgrade() -> None:
    """Create what the journal creates where it is missing, and let operators write it.

    It is of the whole platform, and tenants may read why nothing is bought for them.
    """
    op.execute(with_roles(TABLE, context.config.attributes["installation"]))


def downgrade() -> None:
    """Refuse: what a person has frozen would go on."""
    raise NotImplementedError("run `penguin unfreeze`, and drop the table by hand")
