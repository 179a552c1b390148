"""What has the mailboxes of each host is in every stored document: the default has changed.

Documents that are older than the key do not have it, and their hosts have no Mailu.
"""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"

COMPLETE = """
update oltp.tenants set {column} = jsonb_set({column}, '{{spec,hosts}}', (
    select jsonb_agg('{{"mail": "none"}}'::jsonb || host order by position)
    from jsonb_array_elements({column}->'spec'->'hosts') with ordinality as hosts (host, position)))
where {column}->'spec'->'hosts'->0 is not null
"""


def upgrade() -> None:
    """Write it where it is missing. The owner of a table sees its rows only without `force`."""
    for table in ("tenants", "draining"):
        op.execute(f"alter table oltp.{table} no force row level security")
    for column in ("document", "applied_document"):
        op.execute(COMPLETE.format(column=column))
    op.execute("""update oltp.draining set host = '{"mail": "none"}'::jsonb || host""")
    for table in ("tenants", "draining"):
        op.execute(f"alter table oltp.{table} force row level security")


def downgrade() -> None:
    """Leave it: what is written means the same."""
