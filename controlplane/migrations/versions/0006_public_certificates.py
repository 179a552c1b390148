"""The public endpoints show certificates of the names that lead to them."""

from __future__ import annotations

from alembic import context, op

from kit.database import with_roles

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Let the public role read what is proven by HTTP: its keys are sealed for it alone."""
    _execute("grant select (name, chain, sealed_key, not_after) on oltp.certificates to {public}")
    _execute(
        "create policy public on oltp.certificates for select to {public} "
        "using (challenge = 'http-01')"
    )


def downgrade() -> None:
    """Take the right back."""
    _execute("drop policy public on oltp.certificates")
    _execute("revoke all on oltp.certificates from {public}")


def _execute(statement: str) -> None:
    op.execute(with_roles(statement, context.config.attributes["installation"]))
