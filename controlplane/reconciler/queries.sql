-- name: load_secrets
select purpose, sealed, public from oltp.secrets where tenant_id = :tenant_id order by purpose

-- name: load_secret
select purpose, sealed, public from oltp.secrets
where tenant_id = :tenant_id and purpose = :purpose

-- name: save_secrets
insert into oltp.secrets (tenant_id, purpose, sealed, public, created_at)
values (:tenant_id, :purpose, :sealed, cast(:public as jsonb), :now)
on conflict (tenant_id, purpose) do update
set sealed = excluded.sealed, public = excluded.public, created_at = excluded.created_at

-- name: drop_operations
-- The newest of a phase says what was applied last. Lines go with their operation.
with page as materialized (
    select id, tenant_id, phase, started_at, finished_at from oltp.operations
    where id > :cursor
    order by id
    limit :limit
), dropped as (
    delete from oltp.operations using page
    where operations.id = page.id and page.finished_at < :before
      and (
        not exists (select from oltp.tenants where id = page.tenant_id)
        or exists (
            select from oltp.operations newer
            where newer.tenant_id = page.tenant_id and newer.phase = page.phase
              and newer.id > page.id
        )
      )
)
select id from (select id, started_at from page order by id desc limit 1) as last
where started_at < :before

-- name: drop_events
-- What people did, those with an actor, is kept for longer.
with page as materialized (
    select id, at, actor from oltp.events
    where id > :cursor
    order by id
    limit :limit
), dropped as (
    delete from oltp.events using page
    where events.id = page.id
      and page.at < case when page.actor is null then cast(:before as timestamptz) else :audit end
)
select id from (select id, at from page order by id desc limit 1) as last
where at < :before
