-- name: make_due
update oltp.schedule
set due_at = least(due_at, :now), priority = least(priority, :priority), requests = requests + 1,
    attempts = 0
where tenant_id = :tenant_id

-- name: make_all_due
update oltp.schedule
set due_at = least(due_at, :now), priority = least(priority, :priority), requests = requests + 1

-- name: make_due_for_reason
update oltp.schedule
set due_at = least(due_at, :now), priority = least(priority, :priority), requests = requests + 1
where tenant_id in (
    select tenant_id from oltp.conditions
    where reason = :reason and (status <> 'True' or acts is not null))

-- name: add
insert into oltp.schedule (tenant_id, due_at, priority) values (:tenant_id, :now, :priority)

-- name: claim
-- Leases end by the database's clock: those of replicas may differ. The limit ends the loop over
-- the priorities at the first one that has a row: those of others are neither read nor locked.
with next as (
    select due.tenant_id
    from unnest(cast(:order as smallint[])) as wanted (priority),
        lateral (
            select tenant_id from oltp.schedule
            where schedule.priority = wanted.priority and due_at <= :now
                and (lease_until is null or lease_until < clock_timestamp())
            order by due_at
            limit 1
            for update skip locked
        ) as due
    limit 1
)
update oltp.schedule
set lease_owner = :owner, lease_until = clock_timestamp() + cast(:lease as interval),
    token = nextval('oltp.fencing')
from next
where schedule.tenant_id = next.tenant_id
returning schedule.tenant_id, token, attempts, requests, priority, due_at

-- name: renew
update oltp.schedule set lease_until = clock_timestamp() + cast(:lease as interval)
where tenant_id = :tenant_id and token = :token and lease_owner is not null

-- name: release
-- A request during the pass makes the tenant due at once.
update oltp.schedule
set lease_owner = null, lease_until = null,
    due_at = case when requests = :requests
        then coalesce(cast(:due_at as timestamptz), 'infinity') else :now end,
    priority = case when requests = :requests then :priority else priority end,
    attempts = case when requests = :requests then :attempts else 0 end,
    waits_for = cast(:waits_for as text),
    waits_since = case when cast(:waits_for as text) is not null
        then coalesce(waits_since, clock_timestamp()) end
where tenant_id = :tenant_id and token = :token

-- name: list_due
-- Those without a lease, page by page.
select tenant_id, token, requests, due_at from oltp.schedule
where priority = :priority and due_at <= :until
    and (due_at, tenant_id) > (cast(:after as timestamptz), cast(:after_id as uuid))
    and (lease_until is null or lease_until < clock_timestamp())
order by due_at, tenant_id
limit :count

-- name: postpone
-- A tenant that was taken or asked for meanwhile, or is at this moment, stays due. Locks are not
-- waited for, so that their order makes no difference. Each is found by its key: a join may read the
-- whole table.
update oltp.schedule set due_at = :due_at
where tenant_id = any(array(
    select free.tenant_id
    from unnest(cast(:ids as uuid[]), cast(:tokens as bigint[]), cast(:requests as bigint[]))
            as seen (tenant_id, token, requests),
        lateral (
            select tenant_id from oltp.schedule
            where schedule.tenant_id = seen.tenant_id and schedule.token = seen.token
                and schedule.requests = seen.requests
                and (lease_until is null or lease_until < clock_timestamp())
            for update skip locked
        ) as free
))

-- name: wake_next
-- Those that have waited longest. One that gets no slot all the same keeps its place; one that a
-- worker has is looked at again.
update oltp.schedule
set due_at = least(due_at, :now), requests = requests + 1, waits_for = null
where tenant_id = any(array(
    select tenant_id from oltp.schedule
    where waits_for = :pool
    order by waits_since
    limit :count
    for update skip locked
))

-- name: count_waiting
select waits_for, count(*) from oltp.schedule where waits_for is not null group by waits_for

-- name: next_look
-- A lease that has ended is that of a dead process: another worker takes the tenant.
select nullif(due_at, 'infinity') as due_at, priority, attempts, waits_for,
    case when lease_until >= clock_timestamp() then lease_owner end as worker
from oltp.schedule
where tenant_id = :tenant_id

-- name: raise_epoch
-- Above each token that was given out since a backup, and those of earlier recoveries: there are
-- less than a million passes in a second.
select setval('oltp.fencing', greatest(
    last_value + 1, extract(epoch from clock_timestamp())::bigint * 1048576))
from oltp.fencing

-- name: backlog
-- By priority: what is due, and nobody works on.
select priority, due.passes, due.seconds
from unnest(cast(:priorities as smallint[])) as priority,
    lateral (
        select count(*) as passes,
            coalesce(extract(epoch from cast(:now as timestamptz) - min(due_at)), 0)::float8
                as seconds
        from oltp.schedule
        where schedule.priority = priority.priority and due_at <= :now
            and (lease_until is null or lease_until < clock_timestamp())
    ) as due

-- name: add_account_slots
insert into oltp.account_slots (pool, number)
select :pool, number from generate_series(1, cast(:limit as int)) as number
on conflict do nothing

-- name: take_account_slot
-- Those that another process takes at this moment are passed over: no process waits. The array is
-- made once; a subquery of `in` may be run again for each row, and lock another one each time.
update oltp.account_slots
set token = :token, until = clock_timestamp() + cast(:lease as interval)
where pool = :pool and number = any(array(
    select number from oltp.account_slots
    where pool = :pool and number <= :limit and until < clock_timestamp()
    order by number
    limit 1
    for update skip locked
))
returning number

-- name: renew_account_slot
update oltp.account_slots set until = clock_timestamp() + cast(:lease as interval)
where token = :token

-- name: free_account_slot
update oltp.account_slots set token = 0, until = '-infinity' where token = :token

-- name: has_free_account_slot
select exists (
    select from oltp.account_slots
    where pool = :pool and number <= :limit and until < clock_timestamp()
) and not exists (
    select from oltp.account_troubles where pool = :pool and until >= clock_timestamp()
)

-- name: account_trouble
select message from oltp.account_troubles where pool = :pool

-- name: try_account
-- One pass of all processes tries; the next one may when a minute is over.
update oltp.account_troubles set until = clock_timestamp() + cast(:pause as interval)
where pool = :pool and until < clock_timestamp()

-- name: close_account
insert into oltp.account_troubles (pool, message, until)
values (:pool, :message, clock_timestamp() + cast(:pause as interval))
on conflict (pool) do update set message = excluded.message, until = excluded.until

-- name: open_account
delete from oltp.account_troubles where pool = :pool
