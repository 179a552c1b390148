select id, scope, tenant_id, name, reason, actor, by_operator, since from directory.stops
where (cast(:tenant_id as uuid) is null or tenant_id is null or tenant_id = cast(:tenant_id as uuid))
  and (cast(:before as uuid) is null or id < cast(:before as uuid))
order by id desc
limit :limit
