select id, scope, tenant_id, name, reason, actor, by_operator, since from directory.stops
where tenant_id is null or tenant_id = :tenant_id
order by array_position(array['platform', 'tenant', 'domain', 'address'], scope), name
