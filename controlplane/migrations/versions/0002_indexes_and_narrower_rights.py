"""Events of one tenant by its name, old idempotency keys, and no more rights than are used."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

API_COLUMNS = {
    "tenants": "document, generation, updated_at",
    "schedule": "due_at, priority, requests, attempts",
}
"""What a tenant's key can change through the API; the rest is the controller's."""


def upgrade() -> None:
    """Add what an operator's lists need, and close what the API role never writes."""
    op.execute("create index on oltp.events (tenant, id)")
    op.execute("create index on oltp.idempotency_keys (created_at)")
    op.execute("grant delete on oltp.idempotency_keys to penguin_operator")
    op.execute("revoke all on oltp.idempotency_keys from penguin_api")
    for table, columns in API_COLUMNS.items():
        op.execute(f"revoke update on oltp.{table} from penguin_api")
        op.execute(f"grant update ({columns}) on oltp.{table} to penguin_api")


def downgrade() -> None:
    """Refuse: the truth about bought things is in here."""
    raise NotImplementedError("restore a backup instead")
