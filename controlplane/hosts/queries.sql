-- name: load
select name, incarnation, service_id, host_key, applied_digest from oltp.hosts
where tenant_id = :tenant_id

-- name: save
insert into oltp.hosts (tenant_id, name, incarnation, service_id, host_key, applied_digest)
values (:tenant_id, :name, :incarnation, :service_id, :host_key, :applied_digest)
on conflict (tenant_id, name) do update
set incarnation = excluded.incarnation, service_id = excluded.service_id,
    host_key = excluded.host_key, applied_digest = excluded.applied_digest
