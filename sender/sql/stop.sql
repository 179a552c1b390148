insert into directory.stops (id, scope, tenant_id, name, reason, actor, by_operator, since)
values (:id, :scope, :tenant_id, :name, :reason, :actor, :by_operator, :now)
on conflict (scope, tenant_id, name) do update
set reason = excluded.reason, actor = excluded.actor, by_operator = excluded.by_operator, since = excluded.since
