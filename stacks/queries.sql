-- The table is an option of the backend's URL.

-- name: read
select data ->> 'data' from {table} where key = %(key)s

-- name: keys
select key from {table} where starts_with(key, %(prefix)s) order by key

-- name: remove
delete from {table} where key = any(%(keys)s) returning key
