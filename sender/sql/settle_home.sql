insert into directory.homes (tenant_id, domain, address, since) values (:tenant_id, :domain, :address, :now)
on conflict (tenant_id, domain) do nothing
