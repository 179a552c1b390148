select id, scope, tenant_id, name, reason, actor, by_operator, since from directory.stops
where scope = :scope and tenant_id is not distinct from cast(:tenant_id as uuid) and name is not distinct from cast(:name as text)
