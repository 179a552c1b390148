-- The queue's functions and partitions. Applied after schema.sql.
create function queue.least_id(moment timestamptz) returns uuid language sql immutable parallel safe as $$
    select (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;
comment on function queue.least_id is 'the smallest UUID version 7 of a moment: bounds of partitions';

-- UUIDs version 7 of the database's time, in ascending order within a call. What is random of them is
-- derived from one random value: asking the operating system for each would cost more than all else.
create function queue.new_ids(count integer) returns uuid[] language sql volatile as $$
    select array_agg((
        lpad(to_hex(call.moment + number / 4096), 12, '0') || to_hex(28672 + number % 4096) || 'a'
        || substr(encode(sha256(convert_to(call.secret || number, 'UTF8')), 'hex'), 1, 15))::uuid order by number)
    from (select (extract(epoch from now()) * 1000)::bigint as moment, gen_random_uuid()::text as secret) as call,
        generate_series(1, count) as number
$$;

create function queue.days(ahead integer, behind integer) returns setof date language sql stable as $$
    select (now() at time zone 'UTC')::date + number from generate_series(-behind, ahead) as number
$$;

create function queue.id_bounds(first date, last date) returns text[] language sql immutable as $$
    select array[
        queue.least_id(first::timestamp at time zone 'UTC'), queue.least_id((last + 1)::timestamp at time zone 'UTC')]::text[]
$$;

create function queue.id_bounds(day date) returns text[] language sql immutable as $$
    select queue.id_bounds(day, day)
$$;

-- The table is attached, which does not stop those who insert rows, and named by its last day. Days of
-- which rows are in the default partition already stay there. Returns how many were made.
create function queue.make_partition(parent text, day date, bounds text[], fill integer) returns integer language plpgsql as $$
declare
    part constant text := parent || to_char(day, '_YYYYMMDD');
begin
    if to_regclass(part) is not null then
        return 0;
    end if;
    execute format('create table %s (like %s including all) with (fillfactor = %s)', part, parent, fill);
    execute format('alter table %s attach partition %s for values from (%L) to (%L)', parent, part, bounds[1], bounds[2]);
    return 1;
exception when check_violation then
    return 0;
end
$$;

create function queue.last_days(parent text) returns setof date language sql stable as $$
    select to_date(right(c.relname, 8), 'YYYYMMDD')
    from pg_inherits join pg_class as c on c.oid = inhrelid
    where inhparent = parent::regclass and c.relname ~ '_[0-9]{8}$'
$$;
comment on function queue.last_days is 'of the partitions that exist';

-- Partitions of weeks, from Monday to Sunday: what is kept for long has few of them, since each costs
-- every statement that may find its rows in any. A week of which a part has partitions, as earlier
-- versions made one for each day, gets one for its other days, and one of which rows are in the default
-- partition already, for those from tomorrow on.
create function queue.make_weeks(parent text, fill integer, ahead integer, behind integer) returns integer
language plpgsql as $$
declare
    today constant date := (now() at time zone 'UTC')::date;
    monday date := date_trunc('week', today - behind);
    free date;
    begins date;
    made integer := 0;
    is_made boolean;
begin
    while monday <= today + ahead loop
        select coalesce(max(last_day) + 1, monday) into free
        from queue.last_days(parent) as last_day where last_day between monday and monday + 6;
        foreach begins in array array[free, greatest(free, today + 1)] loop
            exit when begins > monday + 6;
            is_made := queue.make_partition(parent, monday + 6, queue.id_bounds(begins, monday + 6), fill) > 0;
            made := made + is_made::integer;
            exit when is_made;
        end loop;
        monday := monday + 7;
    end loop;
    return made;
end
$$;

create function queue.make_partitions(ahead integer, behind integer default 0) returns integer
language sql security definer set search_path = pg_catalog as $$
    select sum(queue.make_partition('queue.bodies', day, queue.id_bounds(day), 100))::integer
        + queue.make_weeks('queue.records', 80, ahead, behind)
    from queue.days(ahead, behind) as day
$$;
select queue.make_partitions(3);

create view queue.waiting_ids as
select id from queue.ready
union all select id from queue.scheduled
union all select id from queue.claimed
union all select id from queue.unknown;
comment on view queue.waiting_ids is 'jobs whose body and record are still needed';

-- Partitions of days that ended more than `keep` days ago, the oldest first.
create function queue.closed_partitions(parent regclass, keep integer) returns regclass[] language sql stable as $$
    select coalesce(array_agg(c.oid::regclass order by c.relname), '{}')
    from pg_inherits join pg_class as c on c.oid = inhrelid
    where inhparent = parent and c.relname ~ '_[0-9]{8}$'
      and to_date(right(c.relname, 8), 'YYYYMMDD') < (now() at time zone 'UTC')::date - keep
$$;

create function queue.bounds_of(part regclass) returns uuid[] language sql stable as $$
    select regexp_match(pg_get_expr(relpartbound, oid), $r$FROM \('(.+)'\) TO \('(.+)'\)$r$)::uuid[]
    from pg_class where oid = part
$$;
comment on function queue.bounds_of is 'of a partition by id: the first one, and the first one after it';

-- Jobs of a partition whose body and record are still needed; up to `most` are counted.
create function queue.count_waiting(part regclass, most integer) returns bigint language sql stable as $$
    select count(*) from (
        select from queue.waiting_ids
        where id >= (queue.bounds_of(part))[1] and id < (queue.bounds_of(part))[2]
        limit most) as waiting
$$;

-- Drops the bodies of the oldest closed day of which few jobs wait; these are carried forward. `keep` is
-- counted in days.
create function queue.drop_bodies(keep integer) returns integer
language plpgsql security definer set search_path = pg_catalog set enable_hashjoin = on as $$
declare
    most_carried constant integer := 100000;
    part regclass;
begin
    foreach part in array queue.closed_partitions('queue.bodies', keep) loop
        continue when queue.count_waiting(part, most_carried + 1) > most_carried;
        execute format(
            'insert into queue.carried_bodies (id, tenant_id, body)
             select body.id, body.tenant_id, body.body from %s as body
             where body.id in (select id from queue.waiting_ids)
             on conflict do nothing', part);
        execute format('drop table %s', part);
        return 1;
    end loop;
    return 0;
end
$$;

-- Drops the oldest closed records of which no job waits.
create function queue.drop_records(keep integer) returns integer
language plpgsql security definer set search_path = pg_catalog as $$
declare
    part regclass;
begin
    foreach part in array queue.closed_partitions('queue.records', keep) loop
        if queue.count_waiting(part, 1) = 0 then
            execute format('drop table %s', part);
            return 1;
        end if;
    end loop;
    return 0;
end
$$;

-- They act as the owner of the tables, so a worker need not be it.
revoke execute on function queue.make_partitions, queue.drop_bodies, queue.drop_records from public;

create function queue.share(relation regclass, blocks integer) returns double precision language sql stable as $$
    select least(1, blocks / greatest(pg_relation_size(relation) / current_setting('block_size')::float8, 1))
$$;
comment on function queue.share is 'the part of a table that so many blocks are, at most 1';

create function queue.waits(job uuid) returns boolean language sql stable as $$
    select exists (select from queue.records where id = job and state in ('queued', 'retry', 'unknown'))
$$;
comment on function queue.waits is 'whether body and record of a job are still needed';

create function queue.bucket_ids(tenant uuid, is_urgent boolean, names text[]) returns bigint[] language sql stable as $$
    select array_agg(bucket.id order by wanted.number)
    from unnest(names) with ordinality as wanted (name, number)
    left join queue.buckets as bucket
        on bucket.tenant_id = tenant and bucket.name = wanted.name and bucket.urgent = is_urgent
$$;
comment on function queue.bucket_ids is 'in the order of the names; null where there is none';

create function queue.count_alone(tenant uuid) returns void language sql as $$
    select pg_advisory_xact_lock(1885695497, hashtext(tenant::text))  -- AdvisoryLock.QUOTA
$$;
comment on function queue.count_alone is 'until this transaction ends, others wait that compare the tenant with a limit';

-- Enqueue jobs of one tenant: an element of `contents` is a job. `names`, `priorities`, `delays` and
-- `lives` describe kinds of jobs, of which `kinds` says which each job is; without `kinds`, there is
-- one for all jobs, or one for each. `idempotency_keys` and `request_digests` are null, or hold one
-- for each job. Returns a row for each job, in their order: a repeated key has the id of its first
-- request, and `is_same` says whether the digests agree.
create function queue.enqueue(
    tenant uuid, is_urgent boolean, names text[], priorities smallint[], delays interval[], lives interval[],
    contents bytea[], idempotency_keys bytea[], request_digests bytea[], kinds integer[] default null,
    out id uuid, out is_new boolean, out is_same boolean
) returns setof record language plpgsql as $$
#variable_conflict use_column
declare
    own_slot constant smallint := get_byte(uuid_send(tenant), 15);
    uncounted constant integer := 20000;  -- more than others enqueue before the worker counts it
    quota record;
    bucket_ids bigint[];
    ids uuid[];
    known_ids uuid[];
    agreements boolean[];
begin
    select waiting, most_waiting into quota from queue.tenants where tenant_id = tenant;
    if not found then
        insert into queue.tenants (tenant_id) values (tenant) on conflict do nothing;
    end if;
    bucket_ids := queue.bucket_ids(tenant, is_urgent, names);
    if array_position(bucket_ids, null) is not null then
        insert into queue.buckets (tenant_id, name, urgent)
        select distinct tenant, wanted.name, is_urgent from unnest(names) as wanted (name) order by wanted.name
        on conflict do nothing;
        bucket_ids := queue.bucket_ids(tenant, is_urgent, names);
    end if;
    ids := queue.new_ids(cardinality(contents));
    known_ids := ids;
    if idempotency_keys is not null then
        insert into queue.keys (tenant_id, key, id, digest)
        select tenant, job.key, job.id, job.digest
        from unnest(idempotency_keys, ids, request_digests) as job (key, id, digest)
        where job.key is not null
        on conflict do nothing;
        select array_agg(coalesce(earlier.id, job.id) order by number),
            array_agg(coalesce(earlier.digest = job.digest, true) order by number)
        into known_ids, agreements
        from unnest(ids, idempotency_keys, request_digests) with ordinality as job (id, key, digest, number)
        left join lateral (  -- by the index, whatever the statistics say
            select keys.id, keys.digest from queue.keys where tenant_id = tenant and keys.key = job.key limit 1
        ) as earlier on true;
    end if;
    if quota.most_waiting is not null and ids && known_ids then  -- something is new
        if quota.waiting + cardinality(ids) > quota.most_waiting - uncounted
            or not exists (select from queue.workers where lease_until > now())  -- nobody counts
        then
            perform queue.count_alone(tenant);
            select waiting + (select coalesce(sum(jobs), 0) from queue.arrivals where slot = own_slot and tenant_id = tenant)
            into quota.waiting from queue.tenants where tenant_id = tenant;
        end if;
        if quota.waiting + cardinality(ids) > quota.most_waiting then
            raise exception using errcode = 'QU409', message = 'the tenant has too many waiting jobs',
                detail = json_build_object('waiting', quota.waiting, 'most', quota.most_waiting)::text;
        end if;
    end if;
    perform pg_notify('queue_' || workers.id, '')
    from queue.slots join queue.workers on workers.id = slots.worker
    where slots.slot = own_slot and workers.wants_notice;
    with placed as materialized (
        select job.id, content, bucket_ids[kind] as bucket_id, priorities[kind] as priority,
            now() + delays[kind] as due_at, now() + delays[kind] + lives[kind] as expires_at,
            delays[kind] > interval '0' as is_later
        from (
            select id, content, coalesce(kind, least(number, cardinality(names))::integer) as kind
            from unnest(ids, contents, kinds, known_ids) with ordinality as job (id, content, kind, known_id, number)
            where known_id = id
        ) as job
    ), body as (
        insert into queue.bodies (id, tenant_id, body) select id, tenant, content from placed
    ), record as (
        insert into queue.records (id, tenant_id, bucket_id, priority, due_at, expires_at)
        select id, tenant, bucket_id, priority, due_at, expires_at from placed
    ), ready as (
        insert into queue.ready (bucket_id, priority, due_at, id, tenant_id, expires_at)
        select bucket_id, priority, due_at, id, tenant, expires_at from placed where not is_later
    ), later as (
        insert into queue.scheduled (slot, due_at, id, bucket_id, priority, tenant_id, expires_at)
        select own_slot, due_at, id, bucket_id, priority, tenant, expires_at from placed where is_later
    )
    insert into queue.arrivals (slot, tenant_id, bucket_id, priority, due_at, jobs)
    select own_slot, tenant, bucket_id, min(priority), min(due_at), count(*) from placed group by bucket_id;
    return query
    select job.known_id, job.known_id = job.id, coalesce(job.agrees, true)
    from unnest(ids, known_ids, agreements) with ordinality as job (id, known_id, agrees, number) order by number;
end
$$;

-- Takes jobs out that wait in nobody's hands: `is_due` says whether from `ready` or from `scheduled`. A
-- record says where its job is; ageing moves only between these priorities.
create function queue.take_waiting(job_ids uuid[]) returns table (
    id uuid, bucket_id bigint, priority smallint, due_at timestamptz, tenant_id uuid, expires_at timestamptz,
    attempts smallint, losses smallint, is_due boolean
) language sql set enable_hashjoin = off set enable_mergejoin = off as $$
with ready as (
    delete from queue.ready where ctid = any(array(
        select job.ctid
        from queue.records as record join queue.ready as job
            on job.bucket_id = record.bucket_id and job.priority in (record.priority, 150, 50, 1)
            and job.due_at = record.due_at and job.id = record.id
        where record.id = any(job_ids)
        for update of job skip locked))
    returning *
), scheduled as (
    delete from queue.scheduled where ctid = any(array(
        select job.ctid
        from queue.records as record join queue.scheduled as job
            on job.due_at = record.due_at and job.slot = get_byte(uuid_send(record.tenant_id), 15) and job.id = record.id
        where record.id = any(job_ids)
        for update of job skip locked))
    returning *
)
select id, bucket_id, priority, due_at, tenant_id, expires_at, attempts, losses, true from ready
union all
select id, bucket_id, priority, due_at, tenant_id, expires_at, attempts, losses, false from scheduled
$$;

-- Gives up jobs that wait, and returns their ids: others are in work, or over.
create function queue.cancel(job_ids uuid[], cause text) returns setof uuid language sql as $$
with gone as materialized (
    select * from queue.take_waiting(job_ids)
), counted as (
    insert into queue.arrivals (slot, tenant_id, jobs)
    select get_byte(uuid_send(tenant_id), 15), tenant_id, -count(*) from gone group by tenant_id
), recorded as (
    update queue.records as record set state = 'cancelled', reason = cause, changed_at = now()
    from gone where record.id = gone.id
)
select id from gone
$$;
