"""Events of one tenant by its name, old idempotency keys, and no more rights than are used."""

from __future__ import annotations

from alembic import context, op

from kit.database import with_roles

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
    _execute("grant delete on oltp.idempotency_keys to {operator}")
    _execute("revoke all on oltp.idempotency_keys from {api}")
    for table, columns in API_COLUMNS.items():
        _execute(f"revoke update on oltp.{table} from {{api}}")
        _execute(f"grant update ({columns}) on oltp.{table} to {{api}}")


def downgrade() -> None:
    """Refuse: the truth about bought things is in here."""
    raise NotImplementedError("restore a backup instead")


def _execute(statement: str) -> None:
    op.execute(with_roles(statement, context.config.attributes["installation"]))
