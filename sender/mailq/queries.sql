-- part: selected
(%(tenant_id)s::uuid is null or job.tenant_id = %(tenant_id)s)
and (%(ids)s::uuid[] is null or job.id = any(%(ids)s))
and (%(recipient_domain)s::text is null or lower(split_part(message.recipient, '@', -1)) = %(recipient_domain)s)

-- part: possible
-- Buckets whose due mail may be meant: what is held waits for the reason of the hold.
(%(tenant_id)s::uuid is null or possible.tenant_id = %(tenant_id)s)
and (%(code)s::text is null or possible.held_until <= now() or possible.reason = %(code)s)

-- part: waiting
-- The reason why it waits is that of its bucket's hold, else of its last attempt.
join queue.buckets as bucket on bucket.id = job.bucket_id
join queue.records as record on record.id = job.id
join mail.messages as message on message.id = job.id
where {selected}
  and (%(code)s::text is null or %(code)s = case
        when bucket.held_until > now() and record.due_at <= now() then bucket.reason else record.reason end)

-- name: find_by_keys
-- For the transaction: what is joined is found by keys, so that a few mails are found without reading all.
select set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)

-- name: waiting_mails
select job.id, job.tenant_id
from (
    select due.id, due.bucket_id, due.tenant_id
    from queue.buckets as possible join queue.ready as due on due.bucket_id = possible.id
    where {possible}
    union all
    select id, bucket_id, tenant_id from queue.scheduled
) as job
{waiting}
limit %(most)s

-- name: waiting_mails_of_ids
-- By their records, which are found by id; those in work are left out when they are changed.
select job.id, job.tenant_id from (select id, bucket_id, tenant_id, state from queue.records) as job
{waiting} and job.state in ('queued', 'retry')
limit %(most)s

-- name: deferred_mails
-- Tried before, and due later.
select job.id, job.tenant_id from queue.scheduled as job
{waiting} and record.state = 'retry' and job.due_at > now()
limit %(most)s

-- name: mails_to_domain
-- Looks at so many mails only: what is not done, by an index, in the order of tenants and ids, which nothing
-- changes while it waits. `last` is where the next search goes on.
with looked_at as materialized (
    select id, tenant_id, bucket_id, state, due_at, reason from queue.records
    where state <> 'done' and tenant_id <= %(last_tenant)s and (tenant_id, id) > (%(after_tenant)s, %(after_id)s)
    order by tenant_id, id limit %(most)s
), last as (
    select tenant_id, id, (select count(*) from looked_at) = %(most)s as has_more
    from looked_at order by tenant_id desc, id desc limit 1
)
select last.tenant_id, last.id, last.has_more, found.id, found.tenant_id
from last left join lateral (
    select job.id, job.tenant_id
    from looked_at as job
    join queue.buckets as bucket on bucket.id = job.bucket_id
    join mail.messages as message on message.id = job.id
    where job.state = any(%(states)s) and (not %(is_later)s or job.due_at > now())
      and lower(split_part(message.recipient, '@', -1)) = %(recipient_domain)s
      and (%(code)s::text is null or %(code)s = case
            when bucket.held_until > now() and job.due_at <= now() then bucket.reason else job.reason end)
) as found on true

-- name: allow_minutes
set local statement_timeout = '10min'

-- name: held_buckets
select tenant_id, name, urgent, reason, now() as at from queue.buckets
where held_until > now()
  and (%(tenant_id)s::uuid is null or tenant_id = %(tenant_id)s)
  and (%(code)s::text is null or reason = %(code)s)

-- name: held_buckets_of_mail
select distinct job.tenant_id, bucket.name, bucket.urgent, bucket.reason, now() as at
from queue.buckets as possible join queue.ready as job on job.bucket_id = possible.id
{waiting} and {possible} and bucket.held_until > now()

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

-- name: lock_unknown
select id, tenant_id from queue.unknown where id = any(%(ids)s) order by id for update

-- name: dead_mails
select job.id, job.tenant_id, message.sender, message.recipient, job.attempts, job.reason, job.words, job.died_at,
    job.body is not null as can_be_replayed
from queue.dead as job left join mail.messages as message on message.id = job.id
where (%(tenant_id)s::uuid is null or job.tenant_id = %(tenant_id)s)
  and (%(code)s::text is null or job.reason = %(code)s)
  and (%(before)s::uuid is null or job.id < %(before)s)
order by job.id desc
limit %(limit)s

-- name: selected_dead
select job.id, job.tenant_id
from queue.dead as job left join mail.messages as message on message.id = job.id
where {selected} and (%(code)s::text is null or job.reason = %(code)s)
limit %(most)s

-- name: replayable_mails
select job.id, job.tenant_id
from queue.dead as job left join mail.messages as message on message.id = job.id
where {selected} and (%(code)s::text is null or job.reason = %(code)s) and job.body is not null
limit %(most)s

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
