-- The table is an option of the backend's URL.

-- name: read
select data ->> 'data' from {table} where key = %(key)s

-- name: keys
select key from {table} where starts_with(key, %(prefix)s) order by key

-- name: times
select key, updated_at::text from {table} where starts_with(key, %(prefix)s)

-- name: write
insert into {table} (key, data, updated_at)
values (%(key)s, json_build_object('data', %(data)s::text), clock_timestamp())
on conflict (key) do update set data = excluded.data, updated_at = excluded.updated_at
returning key

-- name: touch
update {table} set updated_at = clock_timestamp() where key = %(key)s returning key

-- name: age
select extract(epoch from clock_timestamp() - updated_at) from {table} where key = %(key)s

-- name: remove
delete from {table} where key = any(%(keys)s) returning key
