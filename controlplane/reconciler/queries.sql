-- name: load_secrets
select purpose, sealed, public from oltp.secrets where tenant_id = :tenant_id

-- name: save_secrets
insert into oltp.secrets (tenant_id, purpose, sealed, public, created_at)
values (:tenant_id, :purpose, :sealed, cast(:public as jsonb), :now)
on conflict (tenant_id, purpose) do update
set sealed = excluded.sealed, public = excluded.public, created_at = excluded.created_at
