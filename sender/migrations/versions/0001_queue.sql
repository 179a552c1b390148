-- Roles belong to the cluster: made here only where they are missing.
do $$
declare
    wanted text;
begin
    foreach wanted in array array['{api}', '{operator}', '{controller}', '{sender}', '{public}'] loop
        begin
            execute format('create role %I nologin', wanted);
        exception when duplicate_object or unique_violation then
            null;
        end;
    end loop;
end
$$;

create schema if not exists queue;
create schema if not exists directory;
create schema if not exists suppression;

-- Every claim takes the next number; a writer with an older one is refused.
create sequence queue.lease_tokens;

create table queue.jobs (
    id uuid primary key,
    tenant_id uuid not null,
    generation bigint not null,
    priority smallint not null check (priority between 1 and 1000),
    state text not null check (state in (
        'queued', 'migrated_to_redis', 'held', 'handing_over', 'unknown', 'accepted', 'deferred',
        'bounced_infrastructure', 'bounced_content', 'expired', 'cancelled')),
    reason text,
    run_at timestamptz not null,
    expires_at timestamptz not null,
    attempt_count integer not null default 0,
    lease_owner text,
    lease_token bigint,
    lease_until timestamptz,
    address text,
    queue_id text,
    message_id text not null,
    idempotency_key text,
    request_digest bytea not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    finished_at timestamptz,
    unique (tenant_id, idempotency_key)
);
comment on column queue.jobs.generation is 'of the tenant''s document that the message was accepted under';
comment on column queue.jobs.message_id is 'Message-ID header with angle brackets; the same at every attempt';

create index jobs_due on queue.jobs (priority, run_at, id) where state in ('queued', 'held', 'deferred');
create index jobs_leased on queue.jobs (lease_until) where state in ('migrated_to_redis', 'handing_over');
create index jobs_expires on queue.jobs (expires_at) where state in ('queued', 'held', 'deferred', 'migrated_to_redis');
create index jobs_message_id on queue.jobs (message_id);
create index jobs_of_tenant on queue.jobs (tenant_id, id desc);

-- Apart from the hot row: a claim rewrites the job, never the body.
create table queue.payloads (
    job_id uuid primary key references queue.jobs on delete cascade,
    tenant_id uuid not null,
    body jsonb not null
);

-- Apart from the body, which is read for every list and decision; most files are compressed already.
create table queue.attachments (
    job_id uuid not null references queue.jobs on delete cascade,
    number integer not null,
    tenant_id uuid not null,
    content bytea not null,
    primary key (job_id, number)
);
alter table queue.attachments alter column content set storage external;

create table queue.events (
    id bigint generated always as identity primary key,
    job_id uuid not null references queue.jobs on delete cascade,
    tenant_id uuid not null,
    at timestamptz not null,
    kind text not null,
    state text not null,
    reason text,
    message text not null,
    details jsonb not null default '{}'
);
create index events_of_job on queue.events (job_id, id);

-- Hand-overs of one UTC day; the subject is an IP address or tenant/mailbox.
create table queue.usage (
    kind text not null check (kind in ('address', 'mailbox')),
    subject text not null,
    day date not null,
    handed_over integer not null check (handed_over > 0),
    primary key (kind, subject, day)
);

create table directory.entries (
    tenant_id uuid primary key,
    document jsonb not null,
    revision bigint not null default 1,
    published_at timestamptz not null
);
comment on column directory.entries.document is 'DirectoryEntry; passwords and keys in it are sealed';

create table directory.homes (
    tenant_id uuid not null,
    domain text not null,
    address text not null,
    since timestamptz not null,
    primary key (tenant_id, domain)
);

create table directory.stops (
    id uuid primary key,
    scope text not null check (scope in ('platform', 'tenant', 'domain', 'address')),
    tenant_id uuid check ((tenant_id is null) = (scope = 'platform')),
    name text check (name = lower(name) and (name is null) = (scope in ('platform', 'tenant'))),
    reason text not null,
    actor text not null,
    by_operator boolean not null,
    since timestamptz not null,
    unique nulls not distinct (scope, tenant_id, name)
);
comment on column directory.stops.name is 'domain in lower case, or address (mx1-2); null for platform and tenant';
comment on column directory.stops.actor is 'prefix of the API key that asked for it';

create table suppression.entries (
    tenant_id uuid not null,
    recipient bytea not null check (octet_length(recipient) = 32),
    reason text not null check (reason in ('unsubscribed')),
    source text not null,
    added_at timestamptz not null,
    primary key (tenant_id, recipient)
);
comment on column suppression.entries.recipient is 'SHA-256 of the normalised address: survives erasure of the address itself';

-- Who sees what. The API sees its tenant only; the sender and the operators see all of their part.
do $$
declare
    tenant_table text;
    own text := 'tenant_id = nullif(current_setting(''app.current_tenant_id'', true), '''')::uuid';
begin
    foreach tenant_table in array array[
        'queue.jobs', 'queue.payloads', 'queue.attachments', 'queue.events', 'directory.entries', 'directory.homes', 'suppression.entries'
    ] loop
        execute format('alter table %s enable row level security', tenant_table);
        execute format('alter table %s force row level security', tenant_table);
        execute format('create policy sender on %s to {sender} using (true) with check (true)', tenant_table);
        execute format('create policy operator on %s to {operator} using (true) with check (true)', tenant_table);
        execute format('create policy controller on %s to {controller} using (true) with check (true)', tenant_table);
        execute format('create policy api on %s to {api} using (%s) with check (%s)', tenant_table, own, own);
    end loop;
end
$$;

-- A tenant sees the platform's stops beside its own, and changes only those that no operator made.
alter table directory.stops enable row level security;
alter table directory.stops force row level security;
create policy sender on directory.stops for select to {sender} using (true);
create policy operator on directory.stops to {operator} using (true) with check (true);
create policy controller on directory.stops to {controller} using (true) with check (true);
create policy seen on directory.stops for select to {api}
    using (tenant_id is null or tenant_id = nullif(current_setting('app.current_tenant_id', true), '')::uuid);
do $$
declare
    own text := 'not by_operator and tenant_id = nullif(current_setting(''app.current_tenant_id'', true), '''')::uuid';
begin
    execute format('create policy own_insert on directory.stops for insert to {api} with check (%s)', own);
    execute format('create policy own_update on directory.stops for update to {api} using (%s) with check (%s)', own, own);
    execute format('create policy own_delete on directory.stops for delete to {api} using (%s)', own);
end
$$;

grant usage on schema queue, directory, suppression to {api}, {operator}, {controller}, {sender};

grant select, insert on queue.jobs, queue.payloads, queue.attachments, queue.events to {api};
grant update (run_at) on queue.jobs to {api}, {operator};
grant select on directory.homes to {api};
grant select, insert, update, delete on directory.stops to {api};
grant select, insert, delete on suppression.entries to {api};

grant select, insert, update, delete on all tables in schema queue to {sender};
grant usage on sequence queue.lease_tokens to {sender};
grant select on all tables in schema directory to {sender};
grant insert, update, delete on directory.homes to {sender};
grant select, insert, update, delete on all tables in schema suppression to {sender};

-- Who follows a link in a mail can suppress an address and read nothing.
grant usage on schema suppression to {public};
grant insert on suppression.entries to {public};
create policy public on suppression.entries for insert to {public} with check (reason = 'unsubscribed');

grant select on all tables in schema queue to {controller};
grant select, insert, update, delete on directory.entries, directory.homes to {controller};
grant select, delete on directory.stops to {controller};

grant select on all tables in schema queue to {operator};
grant select on directory.entries, directory.homes to {operator};
grant select, insert, update, delete on directory.stops to {operator};
grant select, insert, update, delete on all tables in schema suppression to {operator};
revoke all on queue.alembic_version from {sender}, {controller}, {operator};
