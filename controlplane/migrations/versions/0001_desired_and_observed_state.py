"""Desired and observed state of tenants, the schedule, secrets and access."""

from __future__ import annotations

from alembic import context, op

from kit.database import with_roles

revision = "0001"
down_revision = None

TABLES = """
create table oltp.tenants (
    id uuid primary key,
    name text not null unique,
    generation integer not null,
    observed_generation integer not null default 0,
    document jsonb not null,
    applied_document jsonb,
    deleting boolean not null default false,
    paused_at timestamptz,
    paused_by text,
    pause_reason text,
    forgotten_zones text[] not null default '{}',
    public_keys jsonb,
    sending_since date,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    check (num_nulls(paused_at, paused_by, pause_reason) in (0, 3))
);
comment on column oltp.tenants.applied_document is 'of the observed generation';
comment on column oltp.tenants.forgotten_zones is
    'given up by an operator, if the token does not reach them';
comment on column oltp.tenants.sending_since is 'first day of the warm-up (UTC)';
create table oltp.domains (
    name text primary key,
    tenant_id uuid not null references oltp.tenants on delete cascade,
    occupies text not null,
    registered text not null
);
comment on column oltp.domains.occupies is 'nothing below it belongs to another tenant';
comment on column oltp.domains.registered is 'the part of the name below a public suffix';
create index on oltp.domains (tenant_id);
create index on oltp.domains (registered);
create table oltp.hosts (
    tenant_id uuid references oltp.tenants on delete cascade,
    name text not null,
    incarnation integer not null default 1,
    service_id bigint,
    host_key text,
    applied_digest text,
    unique nulls not distinct (tenant_id, name)
);
comment on column oltp.hosts.tenant_id is 'owner; null: the shared pool';
comment on column oltp.hosts.applied_digest is 'of the last run of the playbooks';
create table oltp.conditions (
    tenant_id uuid not null references oltp.tenants on delete cascade,
    subject text not null,
    type text not null,
    status text not null check (status in ('True', 'False', 'Unknown')),
    reason text not null check (reason <> ''),
    message text not null,
    observed_generation integer not null,
    last_transition_at timestamptz not null,
    primary key (tenant_id, subject, type)
);
create table oltp.consecutive_failures (
    tenant_id uuid not null references oltp.tenants on delete cascade,
    subject text not null,
    type text not null,
    looks integer not null,
    since timestamptz not null,
    primary key (tenant_id, subject, type)
);
comment on table oltp.consecutive_failures is
    'conditions that are True and were wrong at the last looks';
create table oltp.operations (
    id uuid primary key,
    tenant_id uuid not null,
    tenant text not null,
    kind text not null,
    phase text not null,
    generation integer not null,
    digest text,
    process integer not null,
    host text not null,
    progress text not null default '',
    started_at timestamptz not null,
    heartbeat_at timestamptz not null,
    finished_at timestamptz,
    outcome text check (outcome in ('succeeded', 'failed', 'aborted')),
    error_code text,
    error_message text,
    remedy text,
    check ((finished_at is null) = (outcome is null))
);
create index on oltp.operations (tenant_id, id desc);
create index on oltp.operations (tenant_id) where finished_at is null;
create table oltp.operation_lines (
    number bigint generated always as identity primary key,
    operation_id uuid not null references oltp.operations on delete cascade,
    tenant_id uuid not null,
    at timestamptz not null,
    line text not null
);
create index on oltp.operation_lines (operation_id, number);
create table oltp.events (
    id bigint generated always as identity primary key,
    tenant_id uuid,
    tenant text,
    at timestamptz not null,
    subject text not null,
    kind text not null,
    reason text not null,
    message text not null,
    actor text,
    check ((tenant_id is null) = (tenant is null))
);
comment on column oltp.events.tenant is 'null: the whole platform';
comment on column oltp.events.actor is 'prefix of the API key of the request';
create index on oltp.events (tenant_id, id);
create index on oltp.events (tenant, id);
create table oltp.schedule (
    tenant_id uuid primary key references oltp.tenants on delete cascade,
    due_at timestamptz not null,
    priority smallint not null,
    attempts integer not null default 0,
    requests bigint not null default 0,
    lease_owner text,
    lease_until timestamptz,
    token bigint not null default 0
);
comment on column oltp.schedule.requests is 'requests for a pass; none is lost while one runs';
create index on oltp.schedule (priority, due_at);
create sequence oltp.fencing as bigint;
create table oltp.secrets (
    tenant_id uuid not null references oltp.tenants on delete cascade,
    purpose text not null,
    sealed text not null,
    public jsonb not null,
    created_at timestamptz not null,
    primary key (tenant_id, purpose)
);
create table oltp.digests (
    tenant_id uuid not null references oltp.tenants on delete cascade,
    digest text not null,
    primary key (tenant_id, digest)
);
comment on table oltp.digests is 'blueprints that this control plane rendered; others are foreign';
create table oltp.api_keys (
    prefix text primary key,
    hash bytea not null,
    tenant_id uuid references oltp.tenants on delete cascade,
    scopes text[] not null,
    created_at timestamptz not null,
    revoked_at timestamptz
);
create table oltp.heartbeats (
    part text not null,
    instance text not null,
    process integer not null,
    at timestamptz not null,
    progressed_at timestamptz not null,
    trouble text not null,
    primary key (part, instance)
);
comment on column oltp.heartbeats.progressed_at is 'of the slowest loop';
create table oltp.idempotency_keys (
    owner text not null,
    key text not null,
    request_hash bytea not null,
    status integer not null,
    response jsonb not null,
    created_at timestamptz not null,
    primary key (owner, key)
);
create index on oltp.idempotency_keys (created_at);
"""

SCOPE = "nullif(current_setting('app.current_tenant_id', true), '')::uuid"

TENANT_TABLES = {
    "tenants": "select, update (document, generation, updated_at)",
    "domains": "select, insert, delete",
    "hosts": "select",
    "conditions": "select",
    "operations": "select",
    "operation_lines": "select",
    "events": "select, insert",
    "schedule": "select, update (due_at, priority, requests, attempts)",
    "digests": "select, insert",
    "secrets": None,
    "consecutive_failures": None,
}
"""What the API role may do within a tenant; None: nothing."""

OPERATOR = {
    "tenants": "select, insert, update",
    "domains": "select, insert, delete",
    "hosts": "select",
    "conditions": "select",
    "operations": "select",
    "operation_lines": "select",
    "events": "select, insert",
    "schedule": "select, insert, update",
    "digests": "select, insert",
}


def upgrade() -> None:
    """Create the tables, and grant each role its rights."""
    op.execute(TABLES)
    _execute("grant usage on schema oltp to {api}, {operator}, {controller}, {sender}, {public}")
    _close("heartbeats")
    for part in ("{api}", "{controller}", "{sender}", "{public}"):
        _execute(f"grant select, insert, update, delete on oltp.heartbeats to {part}")
        _open("heartbeats", part)
    for table, rights in TENANT_TABLES.items():
        _close(table)
        column = "id" if table == "tenants" else "tenant_id"
        if rights:
            _execute(f"grant {rights} on oltp.{table} to {{api}}")
            _execute(
                f"create policy api on oltp.{table} to {{api}} "
                f"using ({column} = {SCOPE}) with check ({column} = {SCOPE})"
            )
        if table in OPERATOR:
            _execute(f"grant {OPERATOR[table]} on oltp.{table} to {{operator}}")
            _open(table, "{operator}")
        _execute(f"grant select, insert, update, delete on oltp.{table} to {{controller}}")
        _open(table, "{controller}")
    _execute("grant usage on sequence oltp.fencing to {controller}")
    # A tenant's claim is compared with those below the same registered domain, of any tenant.
    _execute(
        "create policy compared on oltp.domains for select to {api} using (registered = "
        "any(string_to_array(current_setting('app.claimed_domains', true), ' ')))"
    )
    _close("idempotency_keys")
    _execute("grant select, insert, update, delete on oltp.idempotency_keys to {operator}")
    _open("idempotency_keys", "{operator}")
    _close("api_keys")
    _execute("grant select on oltp.api_keys to {api}")
    # The tenant of a request is not known before its key: only the row of that prefix is visible.
    _execute(
        "create policy presented on oltp.api_keys for select to {api} "
        "using (prefix = current_setting('app.api_key_prefix', true))"
    )
    _execute("grant select, insert, update (revoked_at) on oltp.api_keys to {operator}")
    _open("api_keys", "{operator}")
    _execute("grant select (id, name) on oltp.tenants to {sender}")
    _open("tenants", "{sender}")
    _execute("create schema if not exists pulumi")
    _execute("grant usage, create on schema pulumi to {engine}")


def downgrade() -> None:
    """Refuse: it would delete the state of every tenant."""
    raise NotImplementedError("restore a backup instead")


def _close(table: str) -> None:
    op.execute(f"alter table oltp.{table} enable row level security")
    op.execute(f"alter table oltp.{table} force row level security")


def _open(table: str, role: str) -> None:
    _execute(f"create policy {role} on oltp.{table} to {role} using (true) with check (true)")


def _execute(statement: str) -> None:
    op.execute(with_roles(statement, context.config.attributes["installation"]))
