-- part: events
select id, tenant, at, subject, kind, reason, message, actor from oltp.events

-- name: emit
-- Transactions with events commit one after the other: ids become visible in their order, and a
-- reader that continues after an id misses none. The others wait for a process that is stopped before
-- its commit: PostgreSQL ends its transaction before theirs are given up.
with held as materialized (
    select
        pg_advisory_xact_lock(:lock),
        set_config('idle_in_transaction_session_timeout', '10s', true)
)
insert into oltp.events (tenant_id, tenant, at, subject, kind, reason, message, actor)
select cast(:tenant_id as uuid), :tenant, :at, :subject, :kind, :reason, :message, :actor
from held

-- name: after
{events}
where id > :cursor
  and (cast(:tenant as text) is null or tenant = :tenant)
  and (cast(:subject as text) is null or subject = :subject)
order by id
limit :limit

-- name: latest
{events}
where (cast(:tenant as text) is null or tenant = :tenant)
  and (cast(:subject as text) is null or subject = :subject)
order by id desc
limit :limit

-- name: has_existed
select exists(select 1 from oltp.tenants where name = :tenant)
    or exists(select 1 from oltp.events where tenant = :tenant)
