-- The queue's tables. Applied, with the other files but queries.sql, by `install` and by the sender's migrations.
--
-- A job waits in `ready`, or in `scheduled` until it is due; a claim moves it to `claimed`, its
-- outcome removes it. `records` says what became of it, `bodies` is what the handler gets. Both are
-- partitioned by the time of the id (UUID version 7), so that whole days and weeks are dropped.
create schema if not exists queue;

-- The queue is bound to a database and its timeline: after a restore or a promotion, what was done
-- since the backup is not known here.
create table queue.identity (
    is_only boolean primary key default true check (is_only),
    system bigint not null,
    timeline bigint not null,
    bound_at timestamptz not null default now()
);

create function queue.current_identity(out system bigint, out timeline bigint) language sql stable as $$
    select system_identifier, ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint
    from pg_control_system()
$$;

create function queue.is_bound() returns boolean language sql stable as $$
    select exists (select from queue.identity join queue.current_identity() using (system, timeline))
$$;

create function queue.must_be_bound() returns boolean language plpgsql stable as $$
begin
    if not queue.is_bound() then
        raise exception using errcode = '55000', message = 'the queue is bound to another database or timeline',
            hint = 'after a restore or a promotion: recover or bind';
    end if;
    return true;
end
$$;

create table queue.workers (
    id bigint generated always as identity primary key,
    name text not null,
    started_at timestamptz not null default now(),
    lease_until timestamptz not null,
    draining boolean not null default false,
    wants_notice boolean not null default false
);
comment on column queue.workers.wants_notice is 'few jobs come: who enqueues notifies the channel queue_<id>';
comment on table queue.workers is 'one row for each running process; what a process holds is lost with its lease';

-- Tenants are divided into 256 slots; a slot belongs to one worker at a time.
create table queue.slots (
    slot smallint primary key check (slot between 0 and 255),
    worker bigint references queue.workers on delete set null
);

create table queue.tenants (
    tenant_id uuid primary key,
    slot smallint not null generated always as (get_byte(uuid_send(tenant_id), 15)) stored,
    weight integer not null default 1 check (weight between 1 and 1000),
    waiting bigint not null default 0,
    most_waiting bigint
) with (fillfactor = 50);
comment on column queue.tenants.waiting is 'jobs without an outcome; kept by the owner of the slot';
comment on column queue.tenants.most_waiting is 'enqueue refuses more; null: no limit';

create table queue.buckets (
    id bigint generated always as identity primary key,
    tenant_id uuid not null,
    slot smallint not null generated always as (get_byte(uuid_send(tenant_id), 15)) stored,
    name text not null,
    urgent boolean not null default false,
    filled boolean not null default false,
    held_until timestamptz not null default '-infinity',
    held_at timestamptz,
    endless boolean not null default false,
    reason text,
    words text,
    released_at timestamptz not null default now(),
    emptied_at timestamptz not null default now(),
    unique (tenant_id, name, urgent)
) with (fillfactor = 70);
comment on column queue.buckets.urgent is 'served before every tenant''s share; only operators enqueue into it';
comment on column queue.buckets.filled is 'false: certainly no row in `ready`';
comment on column queue.buckets.endless is 'of a hold: at held_until it is only looked at again';
comment on column queue.buckets.emptied_at is 'while not filled: no job was due here since';
create index buckets_due on queue.buckets (slot, held_until) where filled;

create table queue.ready (
    bucket_id bigint not null,
    priority smallint not null check (priority between 1 and 1000),
    due_at timestamptz not null,
    id uuid not null,
    tenant_id uuid not null,
    expires_at timestamptz not null,
    attempts smallint not null default 0,
    losses smallint not null default 0,
    aged smallint not null default 0,
    primary key (bucket_id, priority, due_at, id)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

create table queue.scheduled (
    slot smallint not null,
    due_at timestamptz not null,
    id uuid not null,
    bucket_id bigint not null,
    priority smallint not null,
    tenant_id uuid not null,
    expires_at timestamptz not null,
    attempts smallint not null default 0,
    losses smallint not null default 0,
    primary key (due_at, slot, id)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

create table queue.claimed (
    id uuid primary key,
    worker bigint not null,
    token bigint not null,
    claimed_at timestamptz not null default now(),
    begun_at timestamptz,
    note text,
    bucket_id bigint not null,
    priority smallint not null,
    due_at timestamptz not null,
    tenant_id uuid not null,
    expires_at timestamptz not null,
    attempts smallint not null,
    losses smallint not null
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
comment on column queue.claimed.begun_at is 'from here on a lost worker leaves an unknown outcome';
comment on column queue.claimed.note is 'what the worker wrote with its intent';

-- Tells the owner of a slot which buckets have got jobs, and how many of a tenant more or fewer have
-- no outcome: only rows are added, so that two who enqueue never wait for each other.
create table queue.arrivals (
    number bigint generated always as identity primary key,
    slot smallint not null,
    tenant_id uuid not null,
    bucket_id bigint,
    priority smallint,
    due_at timestamptz,
    jobs integer not null
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

comment on column queue.arrivals.priority is 'with due_at: no row of these jobs in `ready` comes before it';

create table queue.keys (
    tenant_id uuid not null,
    key bytea not null,
    id uuid not null,
    digest bytea,
    created_at timestamptz not null default now(),
    primary key (tenant_id, key)
);
create index keys_created on queue.keys using brin (created_at) with (pages_per_range = 16);
comment on column queue.keys.key is 'first 16 octets of the SHA-256 of an idempotency key';
comment on column queue.keys.digest is 'of the request; null: not known, so that any body is the same';

create table queue.records (
    id uuid not null,
    tenant_id uuid not null,
    bucket_id bigint not null,
    priority smallint not null,
    attempts smallint not null default 0,
    state text not null default 'queued'
        check (state in ('queued', 'done', 'retry', 'dead', 'unknown', 'cancelled', 'expired')),
    reason text,
    changed_at timestamptz not null default now(),
    due_at timestamptz not null,
    expires_at timestamptz not null,
    note text,
    primary key (id)
) partition by range (id);
comment on column queue.records.state is 'after the last outcome; `retry` and `queued` jobs wait or are in work';
comment on column queue.records.due_at is 'of a waiting job: as in `ready` or `scheduled`';

create table queue.bodies (
    id uuid not null,
    tenant_id uuid not null,
    body bytea not null,
    primary key (id)
) partition by range (id);
alter table queue.bodies alter column body set storage main;
create table queue.records_default partition of queue.records default;
create table queue.bodies_default partition of queue.bodies default;

-- Bodies of jobs that outlive the partition of their day, and of replayed ones.
create table queue.carried_bodies (
    id uuid primary key,
    tenant_id uuid not null,
    body bytea not null
);

create table queue.dead (
    id uuid primary key,
    tenant_id uuid not null,
    bucket_id bigint not null,
    priority smallint not null,
    due_at timestamptz not null,
    expires_at timestamptz not null,
    attempts smallint not null,
    reason text,
    words text,
    died_at timestamptz not null default now(),
    body bytea
);
create index dead_of_tenant on queue.dead (tenant_id, id);

create table queue.unknown (
    id uuid primary key,
    token bigint not null,
    tenant_id uuid not null,
    bucket_id bigint not null,
    priority smallint not null,
    due_at timestamptz not null,
    expires_at timestamptz not null,
    attempts smallint not null,
    losses smallint not null,
    note text,
    reason text,
    since timestamptz not null default now(),
    reported boolean not null default false
);
comment on column queue.unknown.reported is 'it was returned by `report_unknown`';
create index unknown_of_tenant on queue.unknown (tenant_id, id);
