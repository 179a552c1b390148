-- part: columns
id, tenant_id, encode(recipient, 'hex') as recipient, reason, source, added_by, added_at

-- name: suppress
-- No column is named after `on conflict`, and none returned: who follows a link in a mail may insert
-- and read nothing.
insert into suppression.entries (id, tenant_id, recipient, reason, source, added_by, added_at)
select id, :tenant_id, recipient, :reason, :source, :added_by, :now
from unnest(cast(:ids as uuid[]), cast(:recipients as bytea[])) as given (id, recipient)
on conflict do nothing

-- name: find
select {columns} from suppression.entries
where tenant_id = :tenant_id and recipient = :recipient
order by id

-- name: list
select {columns} from suppression.entries
where tenant_id = :tenant_id
  and (cast(:reason as text) is null or reason = :reason)
  and (cast(:before as uuid) is null or id < cast(:before as uuid))
order by id desc
limit :limit

-- name: remove
delete from suppression.entries
where tenant_id = :tenant_id and recipient = :recipient
  and (cast(:reason as text) is null or reason = :reason)
returning {columns}
