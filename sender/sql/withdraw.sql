delete from directory.entries where tenant_id = :tenant_id
