-- All time is the database's: the clocks of replicas may differ.

-- name: load
-- Whether it is fresh, not when it was made: rows are the same until that changes.
select kind, digest, findings, is_right,
    fresh_until > clock_timestamp() as is_fresh
from oltp.checks
where tenant_id = :tenant_id
order by kind

-- name: save
insert into oltp.checks
    (tenant_id, kind, input, digest, findings, is_right, checked_at, fresh_until, due_at)
values
    (:tenant_id, :kind, :input, :digest, cast(:findings as jsonb), :is_right, clock_timestamp(),
     clock_timestamp() + cast(:fresh_for as interval),
     clock_timestamp() + cast(:interval as interval))
on conflict (tenant_id, kind) do update
set input = excluded.input, digest = excluded.digest, findings = excluded.findings,
    is_right = excluded.is_right, checked_at = excluded.checked_at,
    fresh_until = excluded.fresh_until, due_at = excluded.due_at

-- name: claim
-- Due again after the interval, whatever becomes of this one: a process that dies keeps nothing.
with due as materialized (
    select tenant_id, kind from oltp.checks
    where due_at <= clock_timestamp()
    order by due_at
    limit :count
    for update skip locked
)
update oltp.checks
set due_at = clock_timestamp() + every.interval
from due
    join unnest(cast(:kinds as text[]), cast(:intervals as interval[])) as every (kind, interval)
        using (kind)
where checks.tenant_id = due.tenant_id and checks.kind = due.kind
returning checks.tenant_id, checks.kind, checks.input, checks.digest, checks.is_right

-- name: confirm
update oltp.checks
set findings = cast(:findings as jsonb), is_right = :is_right, checked_at = clock_timestamp(),
    fresh_until = clock_timestamp() + cast(:fresh_for as interval)
where tenant_id = :tenant_id and kind = :kind and digest = :digest

-- name: postpone
update oltp.checks
set due_at = least(due_at, clock_timestamp() + cast(:pause as interval))
where tenant_id = :tenant_id and kind = :kind and digest = :digest

-- name: overdue
select coalesce(extract(epoch from clock_timestamp() - min(due_at)), 0)::float8 from oltp.checks
where due_at <= clock_timestamp()
