-- name: names_of_tenants
select name from oltp.tenants
where name >= :start
  and (:again or name > :start)
  and (cast(:tenant as text) is null or name = :tenant)
  and document->'spec' @> cast(:holding as jsonb)
order by name
limit :limit
