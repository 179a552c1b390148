-- The stand-in's database: one table of documents by kind and key. SQLite.

-- name: create
create table if not exists object (
  kind text not null,
  key text not null,
  document text not null,
  primary key (kind, key)
)

-- name: of_kind
-- In the order in which they were made.
select document from object where kind = :kind order by rowid

-- name: one
select document from object where kind = :kind and key = :key

-- name: put
insert into object (kind, key, document) values (:kind, :key, :document)
on conflict (kind, key) do update set document = excluded.document

-- name: remove
delete from object where kind = :kind and key = :key
