"""Conditions have the action that they require."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"

COLUMNS = """
alter table oltp.conditions
    add column acts text check (acts in ('user', 'operator', 'provider')),
    add column remedy text,
    add column asked_at timestamptz,
    add check (num_nulls(acts, remedy, asked_at) in (0, 3));
comment on column oltp.conditions.acts is
    'who has to act; null: nobody, or another condition says so';
comment on column oltp.conditions.asked_at is 'since when its reason has asked for it';
create index conditions_todo on oltp.conditions (tenant_id, subject, type) where acts is not null;
"""


def upgrade() -> None:
    """Add the columns, which the next pass of each tenant fills; the rights of the table hold."""
    op.execute(COLUMNS)


def downgrade() -> None:
    """Drop the columns."""
    op.execute("alter table oltp.conditions drop acts, drop remedy, drop asked_at")
