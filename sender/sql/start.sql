delete from directory.stops
where scope = :scope and tenant_id is not distinct from cast(:tenant_id as uuid) and name is not distinct from cast(:name as text)
