-- The queue's functions. Applied after schema.sql and partitions.sql.
select queue.make_partitions(3);

-- UUIDs version 7 of the database's time, in ascending order within a call. What is random of them is
-- derived from one random value: asking the operating system for each would cost more than all else.
create function queue.new_ids(count integer) returns uuid[] language sql volatile as $$
    select array_agg((
        lpad(to_hex(call.moment + number / 4096), 12, '0') || to_hex(28672 + number % 4096) || 'a'
        || substr(encode(sha256(convert_to(call.secret || number, 'UTF8')), 'hex'), 1, 15))::uuid order by number)
    from (select (extract(epoch from now()) * 1000)::bigint as moment, gen_random_uuid()::text as secret) as call,
        generate_series(1, count) as number
$$;

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
