-- part: stops
select id, scope, tenant_id, name, reason, actor, by_operator, since from directory.stops

-- name: stop
insert into directory.stops (id, scope, tenant_id, name, reason, actor, by_operator, since)
values (:id, :scope, :tenant_id, :name, :reason, :actor, :by_operator, :now)
on conflict (scope, tenant_id, name) do update
set reason = excluded.reason, actor = excluded.actor, by_operator = excluded.by_operator, since = excluded.since

-- name: start
delete from directory.stops
where scope = :scope and tenant_id is not distinct from cast(:tenant_id as uuid) and name is not distinct from cast(:name as text)
returning id

-- name: find
{stops}
where scope = :scope and tenant_id is not distinct from cast(:tenant_id as uuid) and name is not distinct from cast(:name as text)

-- name: list
{stops}
where (cast(:tenant_id as uuid) is null or tenant_id is null or tenant_id = cast(:tenant_id as uuid))
  and (cast(:before as uuid) is null or id < cast(:before as uuid))
order by id desc
limit :limit

-- name: of_tenants
{stops}
where tenant_id is null or tenant_id = any(:tenant_ids)
order by name
