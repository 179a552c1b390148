-- name: time
select clock_timestamp() as now

-- name: tenants
select tenant.id as tenant_id, entry.document, entry.revision
from unnest(%(ids)s::uuid[]) as tenant (id) left join directory.entries as entry on entry.tenant_id = tenant.id

-- name: revisions
select tenant_id, revision from directory.entries where tenant_id = any(%(ids)s)

-- name: stops
-- The widest first.
select id, scope, tenant_id, name, reason, actor, by_operator, since from directory.stops
order by array_position(array['platform', 'tenant', 'domain', 'address'], scope), name

-- name: obstacles
-- What does not let a message be handed over any more: only of those that have one.
select intent.id, suppressed.reason as suppressed, to_json(stop) as stop
from unnest(%(ids)s::uuid[], %(tenant_ids)s::uuid[], %(recipients)s::bytea[], %(domains)s::text[], %(addresses)s::text[])
    as intent (id, tenant_id, recipient, domain, address)
left join lateral (
    select string_agg(reason, ', ' order by id) as reason from suppression.entries
    where tenant_id = intent.tenant_id and recipient = intent.recipient
) as suppressed on true
left join lateral (
    select * from directory.stops
    where scope = 'platform' or (tenant_id = intent.tenant_id and (
        scope = 'tenant' or (scope = 'domain' and name = intent.domain) or (scope = 'address' and name = intent.address)))
    order by array_position(array['platform', 'tenant', 'domain', 'address'], scope)
    limit 1
) as stop on true
where suppressed.reason is not null or stop.id is not null

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

-- name: maintain
select mail.maintain(%(records)s, %(events)s) where pg_try_advisory_xact_lock(%(lock)s)
