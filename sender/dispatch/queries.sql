-- name: session
select pg_backend_pid()

-- name: time
select clock_timestamp() as now

-- name: tenants
select tenant.id as tenant_id, entry.document, entry.revision,
    (select coalesce(json_object_agg(domain, address), '{}') from directory.homes where tenant_id = tenant.id) as homes
from unnest(%(ids)s::uuid[]) as tenant (id) left join directory.entries as entry on entry.tenant_id = tenant.id

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

-- name: usage
-- Of today.
select kind, subject, handed_over from mail.usage
where day = (now() at time zone 'UTC')::date and subject = any(%(subjects)s)

-- name: suppressed
select intent.id, string_agg(entry.reason, ', ' order by entry.id) as reasons
from unnest(%(ids)s::uuid[], %(tenant_ids)s::uuid[], %(recipients)s::bytea[]) as intent (id, tenant_id, recipient)
join suppression.entries as entry on entry.tenant_id = intent.tenant_id and entry.recipient = intent.recipient
group by intent.id

-- name: open_counters
-- In one order everywhere, so that transactions wait for each other, not both ways.
insert into mail.usage (kind, subject, day, handed_over)
select kind, subject, day, 0
from unnest(%(kinds)s::text[], %(subjects)s::text[], %(days)s::date[]) as counter (kind, subject, day)
order by 1, 2, 3
on conflict do nothing

-- name: lock_counters
select kind, subject, day, handed_over
from mail.usage
where (kind, subject, day) in (
    select kind, subject, day from unnest(%(kinds)s::text[], %(subjects)s::text[], %(days)s::date[]) as counter (kind, subject, day))
order by kind, subject, day
for update

-- name: write_counters
update mail.usage as counter set handed_over = new.handed_over
from unnest(%(kinds)s::text[], %(subjects)s::text[], %(days)s::date[], %(counts)s::integer[])
    as new (kind, subject, day, handed_over)
where counter.kind = new.kind and counter.subject = new.subject and counter.day = new.day

-- name: settle_homes
-- A home stays, unless the tenant no longer has its address.
insert into directory.homes (tenant_id, domain, address, since)
select distinct on (tenant_id, domain) tenant_id, domain, address, now()
from unnest(%(tenant_ids)s::uuid[], %(domains)s::text[], %(addresses)s::text[], %(known)s::text[])
    as new (tenant_id, domain, address, known)
where not exists (
    select from directory.homes as home
    where home.tenant_id = new.tenant_id and home.domain = new.domain and new.known::jsonb ? home.address)
order by tenant_id, domain
on conflict (tenant_id, domain) do update set address = excluded.address, since = excluded.since
returning tenant_id, domain, address

-- name: record_events
insert into mail.events (message_id, tenant_id, kind, state, reason, words, details)
select message_id, tenant_id, kind, state, reason, words, details::jsonb
from unnest(%(ids)s::uuid[], %(tenant_ids)s::uuid[], %(kinds)s::text[], %(states)s::text[], %(reasons)s::text[],
    %(words)s::text[], %(details)s::text[]) as event (message_id, tenant_id, kind, state, reason, words, details)

-- name: health
select pg_is_in_recovery() or current_setting('transaction_read_only') = 'on' as is_read_only,
    not pg_is_in_recovery() and exists (select from queue.identity) and not queue.is_bound() as is_other

-- name: allow_minutes
set local statement_timeout = '10min'

-- name: forget_months
delete from mail.months where month < now() - interval '13 months'

-- name: maintain
select mail.maintain(%(records)s, %(events)s) where pg_try_advisory_xact_lock(%(lock)s)
