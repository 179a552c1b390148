"""Limits on purchases, which the purchase journal looks at before each order."""

from __future__ import annotations

from alembic import context, op

from kit.database import with_roles

revision = "0023"
down_revision = "0022"

TABLE = """
create schema if not exists purchase;
create table if not exists purchase.limits (
    scope text primary key,
    monthly_cents integer check (monthly_cents >= 0),
    orders_a_day integer check (orders_a_day >= 0),
    reason text not null,
    actor text not null,
    since timestamptz not null default clock_timestamp()
);
grant usage on schema purchase to {operator};
grant select, insert, update, delete on purchase.limits to {operator};
"""


def upgrade() -> None:
    """Create what the journal creates where it is missing, and let operators write it."""
    op.execute(with_roles(TABLE, context.config.attributes["installation"]))


def downgrade() -> None:
    """Refuse: what a person has limited would be bought."""
    raise NotImplementedError("remove all limits, and drop the table by hand")
