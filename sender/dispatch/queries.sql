-- name: session
select pg_backend_pid()

-- name: time
select clock_timestamp() as now

-- name: tenants
select tenant.id as tenant_id, entry.document, entry.revision
from unnest(%(ids)s::uuid[]) as tenant (id) left join directory.entries as entry on entry.tenant_id = tenant.id

-- name: bucket
select name from queue.buckets where id = %(id)s

-- name: revisions
select tenant_id, revision from directory.entries where tenant_id = any(%(ids)s)

-- name: stops
select id, scope, tenant_id, name, reason, actor, by_operator, since from directory.stops
where %(tenant_ids)s::uuid[] is null or tenant_id is null or tenant_id = any(%(tenant_ids)s)
order by name

-- name: withdrawn
-- Deleted tenants of some slots that may have mail in nobody's hands.
select gone.tenant_id
from directory.withdrawn as gone join queue.tenants as tenant using (tenant_id)
where tenant.slot = any(%(slots)s)
  and (tenant.waiting > 0 or exists (select from queue.buckets where tenant_id = gone.tenant_id and filled))

-- name: obstacles
-- What does not let messages be handed over: suppressed recipients, by message; deleted tenants;
-- addresses and From domains (in `words`) that take no new mail; stops.
select 'suppressed' as kind, intent.id, string_agg(entry.reason, ', ' order by entry.id) as words, null::jsonb as stop
from unnest(%(ids)b::uuid[], %(tenant_ids)b::uuid[], %(recipients)b::bytea[]) as intent (id, tenant_id, recipient)
join suppression.entries as entry on entry.tenant_id = intent.tenant_id and entry.recipient = intent.recipient
group by intent.id
union all
select 'deleted', tenant_id, null, null from directory.withdrawn where tenant_id = any(%(concerned)b::uuid[])
union all
select 'draining', tenant_id, address, null from directory.draining where tenant_id = any(%(concerned)b::uuid[])
union all
select 'stop', null, null, to_jsonb(stop) from directory.stops as stop
where tenant_id is null or tenant_id = any(%(concerned)b::uuid[])

-- name: suppressed
select asked.tenant_id, asked.recipient, string_agg(entry.reason, ', ' order by entry.id) as words
from unnest(%(tenant_ids)b::uuid[], %(recipients)b::bytea[]) as asked (tenant_id, recipient)
join suppression.entries as entry on entry.tenant_id = asked.tenant_id and entry.recipient = asked.recipient
group by asked.tenant_id, asked.recipient

-- name: record_events
insert into mail.events (message_id, tenant_id, kind, state, reason, words, details)
select message_id, tenant_id, kind, state, reason, words, details::jsonb
from unnest(%(ids)b::uuid[], %(tenant_ids)b::uuid[], %(kinds)b::text[], %(states)b::text[], %(reasons)b::text[],
    %(words)b::text[], %(details)b::text[]) as event (message_id, tenant_id, kind, state, reason, words, details)

-- name: health
select pg_is_in_recovery() or current_setting('transaction_read_only') = 'on' as is_read_only,
    not pg_is_in_recovery() and exists (select from queue.identity) and not queue.is_bound() as is_other

-- name: allow_minutes
set local statement_timeout = '10min'

-- name: forget_months
delete from mail.months where month < now() - interval '13 months'

-- name: forget_deleted
-- What is left of tenants that were deleted 30 days ago. What became of their mails goes with the mails of others.
with gone as materialized (
    select tenant_id from directory.withdrawn where at < now() - interval '30 days'
), suppressed as (
    delete from suppression.entries where tenant_id in (select tenant_id from gone)
), homes as (
    delete from policy.homes where tenant_id in (select tenant_id from gone)
), months as (
    delete from mail.months where tenant_id in (select tenant_id from gone)
), keys as (
    delete from queue.keys where tenant_id in (select tenant_id from gone)
)
delete from policy.holds where kind = 'tenant' and subject in (select tenant_id::text from gone)

-- name: forget_without_mail
-- Deleted tenants of whose mails nothing is left, long after any of them could be queued.
with gone as materialized (
    select tenant_id from directory.withdrawn
    where at < now() - make_interval(days => %(records)s)
      and not exists (select from mail.messages where messages.tenant_id = withdrawn.tenant_id)
), buckets as (
    delete from queue.buckets where tenant_id in (select tenant_id from gone)
), tenants as (
    delete from queue.tenants where tenant_id in (select tenant_id from gone)
), draining as (
    delete from directory.draining where tenant_id in (select tenant_id from gone)
)
delete from directory.withdrawn where tenant_id in (select tenant_id from gone)

-- name: forget_domains
-- Recipients' domains without mail for 90 days; buckets that are named by one need it as long as they exist.
delete from policy.recipient_domains where domain = any(array(
    select domain from policy.recipient_domains
    where used_at < now() - interval '90 days'
      and not exists (select from queue.buckets where split_part(name, ' ', 2) = '@' || domain)
    limit 10000 for update skip locked))

-- name: maintain
select mail.maintain(%(records)s, %(events)s) where pg_try_advisory_xact_lock(%(lock)s)
