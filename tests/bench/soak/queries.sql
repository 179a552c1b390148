-- name: tenants
insert into queue.tenants (tenant_id, waiting)
select tenant_id, 0 from unnest(%(tenant_ids)s::uuid[]) as tenant_id

-- name: buckets
-- Numbered by the order of their ids, which begin with 1.
insert into queue.buckets (tenant_id, name, filled, held_until, held_at, reason)
select (%(tenant_ids)s::uuid[])[1 + number %% %(tenants)s], 'box' || number || '@acme.example>other', true,
    case when number %% %(every)s = 0 then '-infinity'::timestamptz else now() + interval '1 day' end,
    case when number %% %(every)s = 0 then null else now() end,
    case when number %% %(every)s = 0 then null else 'warmup_cap_reached' end
from generate_series(0, %(buckets)s - 1) as number

-- name: hold
-- All buckets but one of so many.
update queue.buckets set held_until = case when (id - 1) %% %(every)s = 0 then '-infinity' else now() + interval '1 day' end,
    held_at = now(), reason = 'warmup_cap_reached'

-- name: fill
-- Jobs of buckets `first` to `last`, bucket by bucket.
with job as materialized (
    select new.id, bucket.id as bucket_id, tenant_id, now() as due_at
    from unnest(queue.new_ids((%(last)s - %(first)s + 1) * %(each)s)) with ordinality as new (id, number)
    join queue.buckets as bucket on bucket.id = %(first)s + (number - 1) / %(each)s
), body as (
    insert into queue.bodies (id, tenant_id, body) select id, tenant_id, '{}' from job
), message as (
    insert into mail.messages (id, tenant_id, sender, recipient, recipient_hash, subject)
    select id, tenant_id, 'box@acme.example', 'rcpt' || id || '@rcpt.example', sha256(convert_to(id::text, 'UTF8')), 'Hello'
    from job
), record as (
    insert into queue.records (id, tenant_id, bucket_id, priority, due_at, expires_at)
    select id, tenant_id, bucket_id, 100, due_at, due_at + interval '30 days' from job
)
insert into queue.ready (bucket_id, priority, due_at, id, tenant_id, expires_at)
select bucket_id, 100, due_at, id, tenant_id, due_at + interval '30 days' from job

-- name: served_buckets
select tenant_id, array_agg(name) from queue.buckets where held_until <= now() group by tenant_id

-- name: sizes
-- Tables that must not grow, with their indexes.
select relname, pg_table_size(relid) as octets, pg_indexes_size(relid) as index_octets, n_dead_tup as dead
from pg_stat_user_tables
where schemaname = 'queue' and relname in ('ready', 'scheduled', 'claimed', 'arrivals', 'buckets', 'tenants', 'unknown')

-- name: ready
select count(*) from queue.ready
