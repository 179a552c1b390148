-- name: set_key_prefix
-- The row policy of the API's role shows the key of this prefix and no other.
select set_config('app.api_key_prefix', :prefix, true)

-- name: find
select prefix, hash, tenant_id, scopes
from oltp.api_keys
where prefix = :prefix

-- name: add
insert into oltp.api_keys (prefix, hash, tenant_id, scopes, created_at)
values (:prefix, :hash, :tenant_id, :scopes, :now)
