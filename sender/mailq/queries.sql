-- part: next_ones
-- A search looks at so many mails only, in the order of tenants and ids, which nothing changes. By an index.
tenant_id <= %(last_tenant)s and (tenant_id, id) > (%(after_tenant)s, %(after_id)s)
    and (%(ids)s::uuid[] is null or id = any(%(ids)s))
    order by tenant_id, id limit %(most)s

-- part: last
-- Where the next search goes on.
last as (
    select tenant_id, id, coalesce(%(began)s::timestamptz, now()) as began,
        (select count(*) from looked_at) >= %(most)s as has_more
    from looked_at order by tenant_id desc, id desc limit 1
)

-- part: to_domain
(%(recipient_domain)s::text is null or exists (
        select from mail.messages as message
        where message.id = job.id and lower(split_part(message.recipient, '@', -1)) = %(recipient_domain)s))

-- part: not_done
with looked_at as materialized (
    select id, tenant_id, bucket_id, state, due_at, reason from queue.records
    where state <> 'done' and {next_ones}
), {last}

-- part: waiting
-- The reason why it waits is that of its bucket's hold, else of its last attempt.
looked_at as job join queue.buckets as bucket on bucket.id = job.bucket_id
    where {to_domain}
      and (%(code)s::text is null or %(code)s = case
            when bucket.held_until > now() and job.due_at <= now() then bucket.reason else job.reason end)

-- name: find_by_keys
-- For the transaction: what is joined is found by keys, so that a few mails are found without reading all. So is mail that
-- is chosen by id, and other mail in the order of an index: the planner takes what is left of a tenant for little, and
-- would read and sort all of it.
select set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
    set_config('enable_sort', %(sorts)s, true)

-- name: waiting_mails
-- Those in work are left out when they are changed.
{not_done}
select last.*, found.* from last left join lateral (
    select job.id, job.tenant_id from {waiting}
      and job.state = any(%(states)s) and (not %(is_later)s or job.due_at > now())
) as found on true

-- name: held_buckets_of_mail
-- Those that were not released since the search began.
{not_done}
select last.*, found.* from last left join lateral (
    select distinct job.tenant_id, bucket.name, bucket.reason, now() as at from {waiting}
      and job.state in ('queued', 'retry') and job.due_at <= now()
      and bucket.held_until > now() and bucket.released_at < last.began
) as found on true

-- name: held_buckets
-- By whole tenants: the search goes on after the last mail of one.
with looked_at as materialized (
    select tenant_id, last_mail.id, name, reason
    from queue.buckets cross join (select 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid as id) as last_mail
    where held_until > now() and (%(code)s::text is null or reason = %(code)s)
      and tenant_id <= %(last_tenant)s and (tenant_id, last_mail.id) > (%(after_tenant)s, %(after_id)s)
    order by tenant_id fetch first (%(most)s) rows with ties
), {last}
select last.*, looked_at.tenant_id, name, reason, now() as at from last cross join looked_at

-- name: entries
select tenant.id, entry.document
from unnest(%(tenant_ids)s::uuid[]) as tenant (id) left join directory.entries as entry on entry.tenant_id = tenant.id

-- name: stops
select id, scope, tenant_id, name, reason, actor, by_operator, since from directory.stops
where tenant_id is null or tenant_id = any(%(tenant_ids)s)
order by name

-- name: unknown_mails
select job.id, job.tenant_id, message.sender, message.recipient, job.reason, job.note, job.since
from queue.unknown as job left join mail.messages as message on message.id = job.id
where (%(tenant_id)s::uuid is null or job.tenant_id = %(tenant_id)s)
  and (%(before)s::uuid is null or job.id < %(before)s)
order by job.id desc
limit %(limit)s

-- name: unknown_mails_meant
with looked_at as materialized (
    select id, tenant_id, reason from queue.unknown where {next_ones}
), {last}
select last.*, found.* from last left join lateral (
    select job.id, job.tenant_id from looked_at as job
    where {to_domain} and (%(code)s::text is null or job.reason = %(code)s)
) as found on true

-- name: lock_unknown
select id from queue.unknown where id = any(%(ids)s) order by id for update

-- name: dead_mails
select job.id, job.tenant_id, message.sender, message.recipient, job.attempts, job.reason, job.words, job.died_at,
    job.body is not null as can_be_replayed
from queue.dead as job left join mail.messages as message on message.id = job.id
where (%(tenant_id)s::uuid is null or job.tenant_id = %(tenant_id)s)
  and (%(code)s::text is null or job.reason = %(code)s)
  and (%(before)s::uuid is null or job.id < %(before)s)
order by job.id desc
limit %(limit)s

-- name: dead_mails_meant
with looked_at as materialized (
    select id, tenant_id, reason from queue.dead where {next_ones}
), {last}
select last.*, found.* from last left join lateral (
    select job.id, job.tenant_id from looked_at as job
    where {to_domain} and (%(code)s::text is null or job.reason = %(code)s)
) as found on true

-- name: record_events
insert into mail.events (message_id, tenant_id, kind, state, reason, words, details)
select id, tenant_id, %(kind)s, %(state)s, %(reason)s, %(words)s, %(details)s::jsonb
from unnest(%(ids)s::uuid[], %(tenant_ids)s::uuid[]) as one (id, tenant_id)

-- name: rates
-- By an index of blocks, since events come in the order of their time.
select state, reason, count(*) as mails from mail.events
where at > now() - %(window)s::interval and kind in ('outcome', 'decided') group by state, reason order by mails desc

-- name: handed_over
select tenant_id, count(*) as mails from mail.events
where at > now() - %(window)s::interval and kind = 'outcome' and state = 'accepted'
group by tenant_id order by mails desc, tenant_id limit %(most)s

-- name: waits
-- From when it was due and not held to its hand-over, of the last ones.
with handed_over as (
    select message_id, at from mail.events
    where at > now() - %(window)s::interval and kind = 'outcome' and state = 'accepted'
    order by at desc limit %(most)s
), waited as (
    select extract(epoch from at - least(at, greatest(
        record.due_at,
        case when bucket.held_until <= at then bucket.held_until end,
        case when bucket.released_at <= at then bucket.released_at end))) as seconds
    from handed_over
    join queue.records as record on record.id = handed_over.message_id
    join queue.buckets as bucket on bucket.id = record.bucket_id
)
select percentile_cont(0.5) within group (order by seconds)::float8 as p50,
    percentile_cont(0.95) within group (order by seconds)::float8 as p95
from waited
