-- Enqueueing. May be run again.
--
-- A UUID version 7 of the database's time.
create or replace function queue.new_id() returns uuid language sql volatile as $$
    select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint), 12, '0') || '7' || substr(gen_random_uuid()::text, 16))::uuid
$$;

-- Several, in ascending order: 4,096 for each millisecond. What is random of
-- them is derived from one random value: asking the operating system for each would cost more than all else.
create or replace function queue.new_ids(count integer) returns uuid[] language sql volatile as $$
    select array(
        select (
            lpad(to_hex((place >> 12 << 16) | (28672 + (place & 4095))), 16, '0')
            || to_hex((hashint8extended(place, seed) & 4611686018427387903) | (-9223372036854775808)))::uuid
        from (
            select (extract(epoch from now()) * 1000)::bigint << 12 as first, hashtextextended(gen_random_uuid()::text, 0) as seed
        ) as call, generate_series(first + 1, first + count) as place)
$$;

create or replace function queue.bucket_ids(tenant uuid, is_urgent boolean, names text[]) returns bigint[] language sql stable as $$
    select array_agg(bucket.id order by wanted.number)
    from unnest(names) with ordinality as wanted (name, number)
    left join queue.buckets as bucket
        on bucket.tenant_id = tenant and bucket.name = wanted.name and bucket.urgent = is_urgent
$$;
comment on function queue.bucket_ids is 'in the order of the names; null where there is none';

create or replace function queue.count_alone(tenant uuid) returns void language sql as $$
    select pg_advisory_xact_lock(1885695497, hashtext(tenant::text))  -- AdvisoryLock.QUOTA
$$;
comment on function queue.count_alone is 'until this transaction ends, others wait that compare the tenant with a limit';

-- Enqueue jobs of one tenant: an element of `contents` is a job. `names`, `priorities`, `delays` and
-- `lives` describe kinds of jobs, of which `kinds` says which each job is; without `kinds`, there is
-- one for all jobs, or one for each. `idempotency_keys` and `request_digests` are null, or hold one
-- for each job. Returns a row for each job, in their order: a repeated key has the id of its first
-- request, and `is_same` says whether the digests agree.
create or replace function queue.enqueue(
    tenant uuid, is_urgent boolean, names text[], priorities smallint[], delays interval[], lives interval[],
    contents bytea[], idempotency_keys bytea[], request_digests bytea[], kinds integer[] default null,
    out id uuid, out is_new boolean, out is_same boolean
) returns setof record language plpgsql as $$
#variable_conflict use_column
declare
    own_slot constant smallint := get_byte(uuid_send(tenant), 15);
    uncounted constant integer := 20000;  -- more than others enqueue before the worker counts it
    dues constant timestamptz[] := array(select now() + delay from unnest(delays) as delay);
    expiries constant timestamptz[] := array(select due + life from unnest(dues, lives) as kind (due, life));
    own_ids constant uuid[] := queue.new_ids(cardinality(contents));
    known_ids uuid[] := own_ids;
    new_ids uuid[] := own_ids;
    agreements boolean[];
    bucket_ids bigint[];
    quota record;
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
    kinds := coalesce(kinds, array(
        select least(number, cardinality(names)) from generate_series(1, cardinality(contents)) as number));
    if idempotency_keys is not null then
        insert into queue.keys (tenant_id, key, id, digest)
        select tenant, job.key, job.id, job.digest
        from unnest(idempotency_keys, own_ids, request_digests) as job (key, id, digest)
        where job.key is not null
        on conflict do nothing;
        select array_agg(coalesce(earlier.id, job.id) order by number),
            array_agg(coalesce(earlier.digest = job.digest, true) order by number)
        into known_ids, agreements
        from unnest(own_ids, idempotency_keys, request_digests) with ordinality as job (id, key, digest, number)
        left join lateral (  -- by the index, whatever the statistics say
            select keys.id, keys.digest from queue.keys where tenant_id = tenant and keys.key = job.key limit 1
        ) as earlier on true;
    end if;
    if known_ids <> own_ids then
        select array_agg(job.id order by number), array_agg(content order by number), array_agg(kind order by number)
        into new_ids, contents, kinds
        from unnest(own_ids, known_ids, contents, kinds) with ordinality as job (id, known_id, content, kind, number)
        where job.id = known_id;
    end if;
    if quota.most_waiting is not null and new_ids is not null then
        if quota.waiting + cardinality(new_ids) > quota.most_waiting - uncounted
            or not exists (select from queue.workers where lease_until > now())  -- nobody counts
        then
            perform queue.count_alone(tenant);
            select waiting + (select coalesce(sum(jobs), 0) from queue.arrivals where slot = own_slot and tenant_id = tenant)
            into quota.waiting from queue.tenants where tenant_id = tenant;
        end if;
        if quota.waiting + cardinality(new_ids) > quota.most_waiting then
            raise exception using errcode = 'QU409', message = 'the tenant has too many waiting jobs',
                detail = json_build_object('waiting', quota.waiting, 'most', quota.most_waiting)::text;
        end if;
    end if;
    perform pg_notify('queue_' || workers.id, '')
    from queue.slots join queue.workers on workers.id = slots.worker
    where slots.slot = own_slot and workers.wants_notice;
    insert into queue.bodies (id, tenant_id, body)
    select job.id, tenant, content from unnest(new_ids, contents) as job (id, content);
    insert into queue.records (id, tenant_id, bucket_id, priority, due_at, expires_at)
    select job.id, tenant, bucket_ids[kind], priorities[kind], dues[kind], expiries[kind]
    from unnest(new_ids, kinds) as job (id, kind);
    insert into queue.ready (bucket_id, priority, due_at, id, tenant_id, expires_at)
    select bucket_ids[kind], priorities[kind], dues[kind], job.id, tenant, expiries[kind]
    from unnest(new_ids, kinds) as job (id, kind) where dues[kind] <= now();
    if now() < any(dues) then
        insert into queue.scheduled (slot, due_at, id, bucket_id, priority, tenant_id, expires_at)
        select own_slot, dues[kind], job.id, bucket_ids[kind], priorities[kind], tenant, expiries[kind]
        from unnest(new_ids, kinds) as job (id, kind) where dues[kind] > now();
    end if;
    insert into queue.arrivals (slot, tenant_id, bucket_id, priority, due_at, jobs)
    select own_slot, tenant, bucket_ids[kind], min(priorities[kind]), min(dues[kind]), count(*)
    from unnest(kinds) as kind group by bucket_ids[kind];
    return query
    select job.known_id, job.known_id = job.id, coalesce(job.agrees, true)
    from unnest(own_ids, known_ids, agreements) as job (id, known_id, agrees);
end
$$;

-- Enqueues jobs without keys of one kind, as `enqueue` does, with less work for each: the ids have their
-- order. What is seldom, a new bucket or a tenant with a quota, is left to that.
create or replace function queue.enqueue_alike(
    tenant uuid, is_urgent boolean, bucket_name text, job_priority smallint, delay interval, life interval, contents bytea[]
) returns uuid[] language plpgsql as $$
declare
    own_slot constant smallint := get_byte(uuid_send(tenant), 15);
    due constant timestamptz := now() + delay;
    expiry constant timestamptz := due + life;
    ids uuid[];
    place record;
begin
    select bucket.id, tenants.most_waiting, case when worker.wants_notice then worker.id end as listener into place
    from queue.tenants join queue.buckets as bucket using (tenant_id)  -- locked in this order, as by drop_buckets
    left join queue.slots on slots.slot = own_slot left join queue.workers as worker on worker.id = slots.worker
    where tenants.tenant_id = tenant and bucket.name = bucket_name and bucket.urgent = is_urgent;
    if not found or place.most_waiting is not null then
        return array(select id from queue.enqueue(
            tenant, is_urgent, array[bucket_name], array[job_priority], array[delay], array[life], contents, null, null));
    end if;
    if place.listener is not null then
        perform pg_notify('queue_' || place.listener, '');
    end if;
    ids := case cardinality(contents) when 1 then array[queue.new_id()] else queue.new_ids(cardinality(contents)) end;
    insert into queue.bodies (id, tenant_id, body)
    select id, tenant, content from unnest(ids, contents) as job (id, content);
    insert into queue.records (id, tenant_id, bucket_id, priority, due_at, expires_at)
    select id, tenant, place.id, job_priority, due, expiry from unnest(ids) as id;
    if due <= now() then
        insert into queue.ready (bucket_id, priority, due_at, id, tenant_id, expires_at)
        select place.id, job_priority, due, id, tenant, expiry from unnest(ids) as id;
    else
        insert into queue.scheduled (slot, due_at, id, bucket_id, priority, tenant_id, expires_at)
        select own_slot, due, id, place.id, job_priority, tenant, expiry from unnest(ids) as id;
    end if;
    insert into queue.arrivals (slot, tenant_id, bucket_id, priority, due_at, jobs)
    values (own_slot, tenant, place.id, job_priority, due, cardinality(ids));
    return ids;
end
$$;
