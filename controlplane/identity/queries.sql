-- name: set_key_prefix
-- The row policy of the API's role shows the key of this prefix and no other.
select set_config('app.api_key_prefix', :prefix, true)

-- name: find
select prefix, hash, tenant_id, scopes, created_at
from oltp.api_keys
where prefix = :prefix and revoked_at is null

-- name: list_in_force
select prefix, hash, tenant_id, scopes, created_at
from oltp.api_keys
where revoked_at is null and prefix > :after
  and (cast(:tenant_id as uuid) is null or tenant_id = :tenant_id)
order by prefix
limit :limit

-- name: revoke
-- The row stays: an upgrade admits the operator's key of the settings, unless it was revoked.
update oltp.api_keys set revoked_at = :now
where prefix = :prefix and revoked_at is null
returning prefix, hash, tenant_id, scopes, created_at

-- name: add
insert into oltp.api_keys (prefix, hash, tenant_id, scopes, created_at)
values (:prefix, :hash, :tenant_id, :scopes, :now)
