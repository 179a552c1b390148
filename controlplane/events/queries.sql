-- part: events
select id, tenant, at, subject, kind, reason, message, actor from oltp.events

-- part: wanted
(cast(:tenant as text) is null or tenant = :tenant)
  and (cast(:subject as text) is null or subject = :subject)

-- part: ended
-- The number of a transaction that has not begun yet is from another server, of which this
-- database was restored.
(xid >= pg_snapshot_xmax(pg_current_snapshot())
   or pg_visible_in_snapshot(xid, cast(cast(:until as text) as pg_snapshot)))

-- name: emit
insert into oltp.events (tenant_id, tenant, at, subject, kind, reason, message, actor)
values (cast(:tenant_id as uuid), :tenant, :at, :subject, :kind, :reason, :message, :actor)

-- name: snapshot
select cast(pg_current_snapshot() as text)

-- name: first
{events}
where id > :last and {ended} and {wanted}
order by id
limit :limit

-- name: since
{events}
where xid >= pg_snapshot_xmin(cast(cast(:seen as text) as pg_snapshot))
  and not pg_visible_in_snapshot(xid, cast(cast(:seen as text) as pg_snapshot))
  and pg_visible_in_snapshot(xid, cast(cast(:until as text) as pg_snapshot))
  and id > :last and {wanted}
order by id
limit :limit

-- name: latest
{events}
where {ended} and {wanted}
order by id desc
limit :limit

-- name: has_existed
select exists(select 1 from oltp.tenants where name = :tenant)
    or exists(select 1 from oltp.events where tenant = :tenant)
