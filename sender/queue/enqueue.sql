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
            '0' || to_hex((place >> 12 << 16) | (28672 + (place & 4095)))  -- 15 digits from 2004 to 2527
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

create or replace function queue.has_room(waiting bigint, most bigint, added integer, is_counted boolean) returns boolean
language sql immutable as $$
    select most is null or coalesce(is_counted, false) and waiting + added <= most - 20000
$$;
comment on function queue.has_room is 'certainly: fewer are enqueued before the tenant''s worker, if it has one, counts them';

create or replace function queue.require_room(tenant uuid, added integer) returns void language plpgsql as $$
declare
    quota record;
begin
    perform queue.count_alone(tenant);
    select most_waiting as most, waiting + (
        select coalesce(sum(jobs), 0) from queue.arrivals
        where slot = get_byte(uuid_send(tenant), 15) and tenant_id = tenant) as waiting
    into quota from queue.tenants where tenant_id = tenant;
    if quota.waiting + added > quota.most then
        raise exception using errcode = 'QU409', message = 'the tenant has too many waiting jobs',
            detail = json_build_object('waiting', quota.waiting, 'most', quota.most)::text;
    end if;
end
$$;

-- Takes keys for jobs; null stands for none. Unless all are new, returns the id that each job has, which is that of its
-- key's first request, and whether the digests agree.
create or replace function queue.take_keys(
    tenant uuid, ids uuid[], keys bytea[], digests bytea[], out known_ids uuid[], out agreements boolean[]
) language plpgsql as $$
declare
    taken integer;
begin
    insert into queue.keys (tenant_id, key, id, digest)
    select tenant, job.key, job.id, job.digest from unnest(ids, keys, digests) as job (id, key, digest)
    where job.key is not null
    on conflict do nothing;
    get diagnostics taken = row_count;
    if taken < cardinality(array_remove(keys, null)) then
        select array_agg(coalesce(earlier.id, job.id) order by number),
            array_agg(coalesce(earlier.digest = job.digest, true) order by number)
        into known_ids, agreements
        from unnest(ids, keys, digests) with ordinality as job (id, key, digest, number)
        left join lateral (  -- by the index, whatever the statistics say
            select known.id, known.digest from queue.keys as known where tenant_id = tenant and known.key = job.key limit 1
        ) as earlier on true;
    end if;
end
$$;

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
    dues constant timestamptz[] := array(select now() + delay from unnest(delays) as delay);
    expiries constant timestamptz[] := array(select due + life from unnest(dues, lives) as kind (due, life));
    own_ids constant uuid[] := queue.new_ids(cardinality(contents));
    known_ids uuid[] := own_ids;
    new_ids uuid[] := own_ids;
    agreements boolean[];
    bucket_ids bigint[];
    has_room boolean;
begin
    select queue.has_room(waiting, most_waiting, cardinality(contents), lease_until > now()) into has_room
    from queue.tenants left join queue.slots on slots.slot = own_slot left join queue.workers on workers.id = slots.worker
    where tenant_id = tenant;
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
        select coalesce(taken.known_ids, own_ids), taken.agreements into known_ids, agreements
        from queue.take_keys(tenant, own_ids, idempotency_keys, request_digests) as taken;
    end if;
    if known_ids <> own_ids then
        select array_agg(job.id order by number), array_agg(content order by number), array_agg(kind order by number)
        into new_ids, contents, kinds
        from unnest(own_ids, known_ids, contents, kinds) with ordinality as job (id, known_id, content, kind, number)
        where job.id = known_id;
    end if;
    if not has_room and new_ids is not null then
        perform queue.require_room(tenant, cardinality(new_ids));
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

-- Enqueues jobs of one kind, as `enqueue` does, with less work for each: the ids have their order. `are_new` and
-- `are_same` are null where all are. A new bucket, which is seldom, is left to that.
drop function if exists queue.enqueue_alike(uuid, boolean, text, smallint, interval, interval, bytea[]);
create or replace function queue.enqueue_alike(
    tenant uuid, is_urgent boolean, bucket_name text, job_priority smallint, delay interval, life interval,
    contents bytea[], idempotency_keys bytea[], request_digests bytea[],
    out ids uuid[], out are_new boolean[], out are_same boolean[]
) language plpgsql as $$
declare
    own_slot constant smallint := get_byte(uuid_send(tenant), 15);
    due constant timestamptz := now() + delay;
    expiry constant timestamptz := due + life;
    new_ids uuid[];
    known_ids uuid[];
    place record;
begin
    select bucket.id, case when worker.wants_notice then worker.id end as listener,
        queue.has_room(tenants.waiting, tenants.most_waiting, cardinality(contents), worker.lease_until > now()) as has_room
    into place
    from queue.tenants join queue.buckets as bucket using (tenant_id)  -- locked in this order, as by drop_buckets
    left join queue.slots on slots.slot = own_slot left join queue.workers as worker on worker.id = slots.worker
    where tenants.tenant_id = tenant and bucket.name = bucket_name and bucket.urgent = is_urgent;
    if not found then
        select array_agg(id), array_agg(is_new), array_agg(is_same) into ids, are_new, are_same
        from queue.enqueue(
            tenant, is_urgent, array[bucket_name], array[job_priority], array[delay], array[life], contents,
            idempotency_keys, request_digests);
        return;
    end if;
    ids := case cardinality(contents) when 1 then array[queue.new_id()] else queue.new_ids(cardinality(contents)) end;
    new_ids := ids;
    if idempotency_keys is not null then
        select taken.known_ids, taken.agreements into known_ids, are_same
        from queue.take_keys(tenant, ids, idempotency_keys, request_digests) as taken;
        if known_ids is not null then
            select array_agg(id) filter (where id = known_id), array_agg(content) filter (where id = known_id),
                array_agg(id = known_id)
            into new_ids, contents, are_new
            from unnest(ids, known_ids, contents) as job (id, known_id, content);
            ids := known_ids;
        end if;
        if new_ids is null then
            return;
        end if;
    end if;
    if not place.has_room then
        perform queue.require_room(tenant, cardinality(new_ids));
    end if;
    if place.listener is not null then
        perform pg_notify('queue_' || place.listener, '');
    end if;
    -- Not in `from`, where all elements are stored before the first one is read.
    insert into queue.bodies (id, tenant_id, body)
    select unnest(new_ids), tenant, unnest(contents);
    insert into queue.records (id, tenant_id, bucket_id, priority, due_at, expires_at)
    select unnest(new_ids), tenant, place.id, job_priority, due, expiry;
    if due <= now() then
        insert into queue.ready (bucket_id, priority, due_at, id, tenant_id, expires_at)
        select place.id, job_priority, due, unnest(new_ids), tenant, expiry;
    else
        insert into queue.scheduled (slot, due_at, id, bucket_id, priority, tenant_id, expires_at)
        select own_slot, due, unnest(new_ids), place.id, job_priority, tenant, expiry;
    end if;
    insert into queue.arrivals (slot, tenant_id, bucket_id, priority, due_at, jobs)
    values (own_slot, tenant, place.id, job_priority, due, cardinality(new_ids));
end
$$;
