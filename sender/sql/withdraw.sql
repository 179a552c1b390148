with ended as (delete from directory.stops where tenant_id = :tenant_id)
delete from directory.entries where tenant_id = :tenant_id
