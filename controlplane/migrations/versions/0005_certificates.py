"""Certificates of public authorities, and what an order of one needs (ACME, RFC 8555)."""

from __future__ import annotations

from alembic import context, op

from kit.database import with_roles

revision = "0005"
down_revision = "0004"

TABLES = """
create table oltp.certificates (
    name text primary key,
    tenant_id uuid not null references oltp.tenants on delete cascade,
    challenge text not null check (challenge in ('dns-01', 'http-01')),
    chain text,
    sealed_key text,
    not_before timestamptz,
    not_after timestamptz,
    renew_at timestamptz,
    directory text,
    order_url text,
    order_key text,
    answering boolean not null default false,
    failures integer not null default 0,
    limited jsonb not null default '{}',
    next_attempt_at timestamptz,
    reason text not null default '',
    trouble text not null default '',
    check (num_nulls(chain, sealed_key, not_before, not_after, renew_at) in (0, 5)),
    check (num_nulls(directory, order_url, order_key) in (0, 3))
);
comment on column oltp.certificates.chain is 'leaf first, PEM; null: none was issued yet';
comment on column oltp.certificates.directory is 'of the authority of the order in flight';
comment on column oltp.certificates.order_key is 'sealed; becomes the key when it is issued';
comment on column oltp.certificates.answering is 'an answer to a challenge may be published';
comment on column oltp.certificates.limited is
    'authorities that take no order before a time, which they said';
comment on column oltp.certificates.reason is
    'of the condition while the last attempt failed or waits, which trouble explains';
create index on oltp.certificates (tenant_id);
create table oltp.acme_challenges (
    token text primary key,
    name text not null references oltp.certificates on delete cascade,
    key_authorization text not null,
    expires_at timestamptz not null
);
comment on table oltp.acme_challenges is 'answers of HTTP-01, which anybody may ask for';
create table oltp.acme_accounts (
    directory text primary key,
    sealed_key text not null,
    url text,
    created_at timestamptz not null default now()
);
comment on column oltp.acme_accounts.url is 'null: not registered yet';
create table oltp.acme_orders (
    number bigint generated always as identity primary key,
    directory text not null,
    registered text not null,
    name text not null,
    is_renewal boolean not null,
    at timestamptz not null
);
comment on table oltp.acme_orders is 'counted, since authorities limit them';
create index on oltp.acme_orders (directory, registered, at);
create index on oltp.acme_orders (at);
"""

CLOSED = ("certificates", "acme_challenges", "acme_accounts", "acme_orders")


def upgrade() -> None:
    """Create the tables: the reconciler's, and the answers are public."""
    op.execute(TABLES)
    for table in CLOSED:
        op.execute(f"alter table oltp.{table} enable row level security")
        op.execute(f"alter table oltp.{table} force row level security")
        _execute(f"grant select, insert, update, delete on oltp.{table} to {{controller}}")
        _execute(
            f"create policy controller on oltp.{table} to {{controller}} "
            "using (true) with check (true)"
        )
    _execute(
        "grant select (token, key_authorization, expires_at) on oltp.acme_challenges to {public}"
    )
    _execute("create policy public on oltp.acme_challenges for select to {public} using (true)")


def downgrade() -> None:
    """Refuse."""
    raise NotImplementedError("keys of certificates in use would be lost: restore a backup instead")


def _execute(statement: str) -> None:
    op.execute(with_roles(statement, context.config.attributes["installation"]))
