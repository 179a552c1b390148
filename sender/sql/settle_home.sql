-- A home stays; only one whose address the tenant no longer has gives way.
insert into directory.homes as home (tenant_id, domain, address, since) values (:tenant_id, :domain, :address, :now)
on conflict (tenant_id, domain) do update
set address = excluded.address, since = excluded.since
where not home.address = any(:known)
