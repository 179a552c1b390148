-- name: list
select what, reason, actor, since from purchase.freezes order by what

-- name: freeze
insert into purchase.freezes (what, reason, actor) values (:what, :reason, :actor)
on conflict (what) do update set reason = excluded.reason, actor = excluded.actor

-- name: unfreeze
delete from purchase.freezes where what = :what
