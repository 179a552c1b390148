-- The queue's tables and functions. Applied by `install` and by the sender's migrations.
--
-- A job waits in `ready`, or in `scheduled` until it is due; a claim moves it to `claimed`, its
-- outcome removes it. `records` says what became of it, `bodies` is what the handler gets. Both are
-- partitioned by the day of the id (UUID version 7), so that whole days are dropped.
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
    draining boolean not null default false
);
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
    reason text,
    words text,
    released_at timestamptz not null default now(),
    unique (tenant_id, name, urgent)
) with (fillfactor = 70);
comment on column queue.buckets.urgent is 'served before every tenant''s share; only operators enqueue into it';
comment on column queue.buckets.words is 'the reason of the hold, for people';
comment on column queue.buckets.filled is 'false: certainly no row in `ready`';
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
    since timestamptz not null default now()
);

create function queue.least_id(moment timestamptz) returns uuid language sql immutable parallel safe as $$
    select (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;
comment on function queue.least_id is 'the smallest UUID version 7 of a moment: bounds of partitions';

create function queue.new_id(number integer) returns uuid language sql volatile as $$
    select encode(
        substring(int8send((extract(epoch from now()) * 1000)::bigint + number / 4096) from 3)
        || substring(int4send(28672 + number % 4096) from 3)
        || substring(uuid_send(gen_random_uuid()) from 9), 'hex')::uuid
$$;
comment on function queue.new_id is 'a UUID version 7 of the database''s time; ids of one transaction sort by their number';

-- A day whose rows are in the default partition already stays there.
create function queue.make_partition(parent text, day date, bounds text[], fill integer) returns void language plpgsql as $$
declare
    part constant text := parent || to_char(day, '_YYYYMMDD');
begin
    if to_regclass(part) is null then
        execute format('create table %s partition of %s for values from (%L) to (%L) with (fillfactor = %s)',
            part, parent, bounds[1], bounds[2], fill);
    end if;
exception when check_violation then
    null;
end
$$;

create function queue.days(ahead integer, behind integer) returns setof date language sql stable as $$
    select (now() at time zone 'UTC')::date + number from generate_series(-behind, ahead) as number
$$;

create function queue.id_bounds(day date) returns text[] language sql immutable as $$
    select array[
        queue.least_id(day::timestamp at time zone 'UTC'), queue.least_id((day + 1)::timestamp at time zone 'UTC')]::text[]
$$;

create function queue.make_partitions(ahead integer, behind integer default 0) returns void language sql as $$
    select queue.make_partition('queue.bodies', day, queue.id_bounds(day), 100),
        queue.make_partition('queue.records', day, queue.id_bounds(day), 80)
    from queue.days(ahead, behind) as day
$$;
select queue.make_partitions(2);

create view queue.waiting_ids as
select id from queue.ready
union all select id from queue.scheduled
union all select id from queue.claimed
union all select id from queue.unknown;
comment on view queue.waiting_ids is 'jobs whose body and record are still needed';

-- Partitions of days that ended more than `keep` days ago.
create function queue.closed_partitions(parent regclass, keep integer) returns regclass[] language sql stable as $$
    select coalesce(array_agg(c.oid::regclass), '{}')
    from pg_inherits join pg_class as c on c.oid = inhrelid
    where inhparent = parent and c.relname ~ '_[0-9]{8}$'
      and to_date(right(c.relname, 8), 'YYYYMMDD') < (now() at time zone 'UTC')::date - keep
$$;

-- Bodies of closed days; what still has no outcome is carried forward. `keep` is counted in days.
create function queue.drop_bodies(keep integer) returns integer language plpgsql as $$
declare
    part regclass;
    dropped integer := 0;
begin
    foreach part in array queue.closed_partitions('queue.bodies', keep) loop
        execute format(
            'insert into queue.carried_bodies (id, tenant_id, body)
             select body.id, body.tenant_id, body.body from %s as body
             where body.id in (select id from queue.waiting_ids)
             on conflict do nothing', part);
        execute format('drop table %s', part);
        dropped := dropped + 1;
    end loop;
    delete from queue.carried_bodies as body
    where not exists (select from queue.waiting_ids as waiting where waiting.id = body.id);
    return dropped;
end
$$;

-- Records of days of which no job waits.
create function queue.drop_records(keep integer) returns integer language plpgsql as $$
declare
    part regclass;
    waiting boolean;
    dropped integer := 0;
begin
    foreach part in array queue.closed_partitions('queue.records', keep) loop
        execute format(
            'select exists (select from %s as record where record.id in (select id from queue.waiting_ids))',
            part) into waiting;
        if not waiting then
            execute format('drop table %s', part);
            dropped := dropped + 1;
        end if;
    end loop;
    return dropped;
end
$$;

-- Enqueue jobs of one tenant: an element of each array is a job. `idempotency_keys` and `request_digests`
-- are null, or hold one for each job. Returns a row for each job, in their order: a repeated key has
-- the id of its first request, and `is_same` says whether the digests agree.
create function queue.enqueue(
    tenant uuid, is_urgent boolean, names text[], priorities smallint[], delays interval[], lives interval[],
    contents bytea[], idempotency_keys bytea[], request_digests bytea[],
    out id uuid, out is_new boolean, out is_same boolean
) returns setof record language plpgsql as $$
#variable_conflict use_column
declare
    own_slot constant smallint := get_byte(uuid_send(tenant), 15);
    ids uuid[];
    quota record;
begin
    select waiting, most_waiting into quota from queue.tenants where tenant_id = tenant;
    if not found then
        insert into queue.tenants (tenant_id) values (tenant) on conflict do nothing;
    elsif quota.most_waiting is not null then
        if not exists (select from queue.workers where lease_until > now()) then  -- nobody counts
            quota.waiting := quota.waiting
                + (select coalesce(sum(jobs), 0) from queue.arrivals where slot = own_slot and tenant_id = tenant);
        end if;
        if quota.waiting + cardinality(contents) > quota.most_waiting then
            raise exception using errcode = 'QU409', message = 'the tenant has too many waiting jobs',
                detail = json_build_object('waiting', quota.waiting, 'most', quota.most_waiting)::text;
        end if;
    end if;
    insert into queue.buckets (tenant_id, name, urgent)
    select distinct tenant, wanted.name, is_urgent from unnest(names) as wanted (name)
    where not exists (
        select from queue.buckets as b where b.tenant_id = tenant and b.name = wanted.name and b.urgent = is_urgent)
    on conflict do nothing;
    ids := array(select queue.new_id(number) from generate_series(1, cardinality(contents)) as number);
    if idempotency_keys is not null then
        insert into queue.keys (tenant_id, key, id, digest)
        select tenant, job.key, job.id, job.digest
        from unnest(idempotency_keys, ids, request_digests) as job (key, id, digest)
        where job.key is not null
        on conflict do nothing;
    end if;
    return query
    with job as (
        select job.*, coalesce(earlier.id, job.id) as known_id,
            coalesce(earlier.digest = job.digest, true) as same
        from unnest(ids, names, priorities, delays, lives, contents, idempotency_keys, request_digests)
            with ordinality as job (id, name, priority, delay, life, content, key, digest, number)
        left join queue.keys as earlier on earlier.tenant_id = tenant and earlier.key = job.key
    ), placed as materialized (
        select job.id, priority, life, content, delay, b.id as bucket_id, now() + delay as due_at
        from job join queue.buckets as b on b.tenant_id = tenant and b.name = job.name and b.urgent = is_urgent
        where job.known_id = job.id
    ), body as (
        insert into queue.bodies (id, tenant_id, body) select id, tenant, content from placed
    ), record as (
        insert into queue.records (id, tenant_id, bucket_id, priority, due_at, expires_at)
        select id, tenant, bucket_id, priority, due_at, due_at + life from placed
    ), ready as (
        insert into queue.ready (bucket_id, priority, due_at, id, tenant_id, expires_at)
        select bucket_id, priority, due_at, id, tenant, due_at + life from placed where delay <= interval '0'
    ), later as (
        insert into queue.scheduled (slot, due_at, id, bucket_id, priority, tenant_id, expires_at)
        select own_slot, due_at, id, bucket_id, priority, tenant, due_at + life from placed where delay > interval '0'
    ), arrival as (
        insert into queue.arrivals (slot, tenant_id, bucket_id, priority, due_at, jobs)
        select own_slot, tenant, bucket_id, min(priority), min(due_at), count(*) from placed group by bucket_id
    )
    select job.known_id, job.known_id = job.id, job.same from job order by number;
end
$$;
