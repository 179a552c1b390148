-- name: register_operator
insert into oltp.api_keys (prefix, hash, scopes, created_at)
values (%(prefix)s, %(hash)s, %(scopes)s, now())
on conflict (prefix) do update set scopes = excluded.scopes

-- name: check_schema
select 1 from oltp.heartbeats limit 1
