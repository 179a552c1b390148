-- part: job
id, bucket_id, priority, due_at, tenant_id, expires_at

-- part: slot
get_byte(uuid_send(tenant_id), 15)

-- name: enqueue
select id, is_new, is_same from queue.enqueue(
    %(tenant_id)s, %(urgent)s, %(buckets)s::text[], %(priorities)s::smallint[], %(delays)s::interval[],
    %(lives)s::interval[], %(bodies)s::bytea[], %(keys)s::bytea[], %(digests)s::bytea[])

-- name: register
with slots as (
    insert into queue.slots (slot) select generate_series(0, 255) on conflict do nothing
)
insert into queue.workers (name, lease_until) values (%(name)s, now() + %(lease)s) returning id

-- name: renew
update queue.workers set lease_until = now() + %(lease)s, draining = %(draining)s
where id = %(worker)s
returning id

-- name: leave
delete from queue.workers where id = %(worker)s

-- name: end_lost_workers
delete from queue.workers where lease_until < now()

-- name: take_slots
-- Slots without owner, up to an equal share of all workers.
with share as (
    select ceil(256.0 / greatest(count(*), 1))::integer as slots
    from queue.workers where lease_until > now() and not draining
), mine as (
    select count(*) as slots from queue.slots where worker = %(worker)s
)
update queue.slots set worker = %(worker)s
where exists (select from queue.workers where id = %(worker)s) and slot = any(array(
    select slot from queue.slots where worker is null order by slot
    limit greatest((select share.slots - mine.slots from share, mine), 0)
    for update skip locked))
returning slot

-- name: surplus
-- How many slots more than its share a worker has.
select greatest(0, (select count(*) from queue.slots where worker = %(worker)s) - ceil(256.0 / count(*)))::integer
from queue.workers where lease_until > now() and not draining

-- name: give_slots
update queue.slots set worker = null where slot = any(%(slots)s) and worker = %(worker)s

-- name: claim
-- Most urgent first, from where each bucket was left: that spares the index entries of jobs that
-- are gone, which cannot be removed while an old transaction is open.
with wanted as (
    select wanted.*
    from unnest(%(buckets)s::bigint[], %(counts)s::integer[], %(priorities)s::smallint[],
        %(dues)s::timestamptz[], %(ids)s::uuid[]) as wanted (bucket_id, most, priority, due_at, id)
    where exists (select from queue.workers where id = %(worker)s and lease_until > now())
      and queue.is_bound()
), found as (
    select place
    from wanted cross join lateral (
        select job.ctid as place from queue.ready as job
        where job.bucket_id = wanted.bucket_id
          and (job.priority, job.due_at, job.id) >= (wanted.priority, wanted.due_at, wanted.id)
        order by job.priority, job.due_at, job.id
        limit wanted.most
        for update skip locked
    ) as job
), taken as (
    delete from queue.ready where ctid = any(array(select place from found))
    returning {job}, attempts, losses
), claimed as (
    insert into queue.claimed (worker, token, {job}, attempts, losses)
    select %(worker)s, %(token)s, {job}, attempts, losses from taken
)
select taken.id, taken.bucket_id, taken.priority, taken.due_at, taken.tenant_id, taken.attempts,
    taken.expires_at <= now() as expired, coalesce(body.body, carried.body) as body
from taken
left join queue.bodies as body on body.id = taken.id and body.tenant_id = taken.tenant_id
left join queue.carried_bodies as carried
    on body.id is null and carried.id = taken.id and carried.tenant_id = taken.tenant_id
order by taken.priority, taken.due_at, taken.id

-- name: begin
update queue.claimed as job set begun_at = now(), note = intent.note
from unnest(%(ids)s::uuid[], %(tokens)s::bigint[], %(notes)s::text[]) as intent (id, token, note)
where job.id = intent.id and job.token = intent.token and job.begun_at is null and queue.is_bound()
returning job.id

-- name: begun
select job.id
from queue.claimed as job join unnest(%(ids)s::uuid[], %(tokens)s::bigint[]) as intent (id, token) using (id, token)
where job.begun_at is not null

-- name: refuse
-- In the transaction of `begin`: its rows are locked.
update queue.claimed set begun_at = null, note = null where id = any(%(ids)s)

-- name: finish
-- What is no longer held under its token is not written: another worker has it. An outcome that
-- comes late replaces `unknown`.
with outcome as materialized (
    select * from unnest(
        %(ids)s::uuid[], %(tokens)s::bigint[], %(states)s::text[], %(reasons)s::text[],
        %(delays)s::interval[], %(spent)s::smallint[], %(words)s::text[])
        as outcome (id, token, state, reason, delay, spent, words)
), held as (
    delete from queue.claimed as job using outcome
    where job.id = outcome.id and job.token = outcome.token
    returning job.*, outcome.state, outcome.reason, outcome.delay, outcome.spent, outcome.words
), late as (
    delete from queue.unknown as job using outcome
    where job.id = outcome.id and job.token = outcome.token and outcome.state <> 'released'
    returning job.*, outcome.state, outcome.reason as now_reason, outcome.delay, outcome.spent, outcome.words
), gone as (
    select {job}, token, note, attempts + spent as attempts, losses, state, reason, delay, words, 1 as waited,
        begun_at is not null as has_begun
    from held
    union all
    select {job}, token, note, attempts + spent, losses, state, now_reason, delay, words, 0, true from late
), again as (
    insert into queue.scheduled (slot, {job}, attempts, losses)
    select {slot}, id, bucket_id, priority, now() + delay, tenant_id, expires_at, attempts, losses
    from gone where state = 'retry'
), back as (
    insert into queue.ready ({job}, attempts, losses)
    select {job}, attempts, losses from gone where state = 'released'
), arrival as (
    insert into queue.arrivals (slot, tenant_id, bucket_id, priority, due_at, jobs)
    select {slot}, tenant_id, bucket_id, min(priority), min(due_at), 0
    from gone where state = 'released' group by tenant_id, bucket_id
), dead as (
    insert into queue.dead ({job}, attempts, reason, words, body)
    select gone.id, bucket_id, priority, due_at, gone.tenant_id, expires_at, attempts, reason, words,
        coalesce(body.body, carried.body)
    from gone
    left join queue.bodies as body on body.id = gone.id
    left join queue.carried_bodies as carried on carried.id = gone.id
    where state = 'dead'
), doubtful as (
    insert into queue.unknown ({job}, token, attempts, losses, note, reason)
    select {job}, token, attempts, losses, note, reason from gone where state = 'unknown'
), counted as (
    insert into queue.arrivals (slot, tenant_id, jobs)
    select {slot}, tenant_id, -sum(waited - (state in ('retry', 'released'))::integer)
    from gone group by tenant_id
), recorded as (
    update queue.records as record
    set state = gone.state, reason = gone.reason, attempts = gone.attempts, changed_at = now(), note = gone.note
    from gone where record.id = gone.id and gone.state <> 'released'
)
select id, has_begun from gone

-- name: release
-- Back to where it was, as if it had not been claimed: a claim whose answer was lost.
with gone as (
    delete from queue.claimed where worker = %(worker)s and token = any(%(tokens)s) and begun_at is null
    returning *
), back as (
    insert into queue.ready ({job}, attempts, losses) select {job}, attempts, losses from gone
)
insert into queue.arrivals (slot, tenant_id, bucket_id, priority, due_at, jobs)
select {slot}, tenant_id, bucket_id, min(priority), min(due_at), 0 from gone group by tenant_id, bucket_id

-- name: recover
-- Jobs whose worker lost its lease, or which were held longer than any attempt may take. What was
-- not begun waits again, unless it ended too many workers; the outcome of the rest is unknown.
with gone as (
    delete from queue.claimed where id = any(array(
        select job.id from queue.claimed as job
        left join queue.workers as worker on worker.id = job.worker and worker.lease_until > now()
        where worker.id is null or job.claimed_at < now() - %(longest)s::interval
        limit %(most)s
        for update of job skip locked))
    returning *
), back as (
    insert into queue.ready ({job}, attempts, losses)
    select {job}, attempts, losses + 1 from gone where begun_at is null and losses + 1 < %(most_losses)s
), arrival as (
    insert into queue.arrivals (slot, tenant_id, bucket_id, priority, due_at, jobs)
    select {slot}, tenant_id, bucket_id, min(priority), min(due_at), 0
    from gone where begun_at is null and losses + 1 < %(most_losses)s group by tenant_id, bucket_id
), doubtful as (
    insert into queue.unknown ({job}, token, attempts, losses, note, reason)
    select {job}, token, attempts, losses, note, 'worker_lost' from gone where begun_at is not null
), dead as (
    insert into queue.dead ({job}, attempts, reason, body)
    select gone.id, bucket_id, priority, due_at, gone.tenant_id, expires_at, attempts, 'ends_its_worker',
        coalesce(body.body, carried.body)
    from gone
    left join queue.bodies as body on body.id = gone.id
    left join queue.carried_bodies as carried on carried.id = gone.id
    where begun_at is null and losses + 1 >= %(most_losses)s
), recorded as (
    update queue.records as record
    set state = case when begun_at is null then 'dead' else 'unknown' end,
        reason = case when begun_at is null then 'ends_its_worker' else 'worker_lost' end,
        changed_at = now(), note = gone.note
    from gone where record.id = gone.id and (begun_at is not null or losses + 1 >= %(most_losses)s)
), counted as (
    insert into queue.arrivals (slot, tenant_id, jobs)
    select {slot}, tenant_id, -count(*)
    from gone where begun_at is not null or losses + 1 >= %(most_losses)s group by tenant_id
)
select id, tenant_id, bucket_id, token, attempts,
    case when begun_at is not null then 'unknown' when losses + 1 >= %(most_losses)s then 'dead' end as state,
    case when begun_at is not null then 'worker_lost' else 'ends_its_worker' end as reason
from gone

-- name: arrivals
-- Deleted where they are read; a bucket that they name is filled.
with arrived as (
    delete from queue.arrivals where ctid = any(array(
        select ctid from queue.arrivals where number > %(after)s and slot = any(%(slots)s)
        order by number limit %(most)s for update skip locked))
    returning number, tenant_id, bucket_id, priority, due_at, jobs
), filled as (
    update queue.buckets set filled = true
    where id in (select bucket_id from arrived) and not filled
), counted as (
    update queue.tenants set waiting = waiting + arrived.jobs
    from (select tenant_id, sum(jobs) as jobs from arrived group by tenant_id having sum(jobs) <> 0) as arrived
    where tenants.tenant_id = arrived.tenant_id
)
select bucket_id, min(priority) as priority, min(due_at) as due_at, sum(jobs)::integer as jobs,
    bool_or(priority is null) as is_changed, (select max(number) from arrived) as last
from arrived where bucket_id is not null group by bucket_id

-- name: buckets
-- Those that have jobs and are not held, or are among `ids`.
select bucket.id, bucket.tenant_id, bucket.name, bucket.urgent, tenant.weight, now() as at
from queue.buckets as bucket join queue.tenants as tenant using (tenant_id)
where bucket.filled and bucket.held_until <= now()
  and (bucket.id = any(%(ids)s) or (bucket.slot = any(%(slots)s)
    and (%(since)s::timestamptz is null or bucket.held_until > %(since)s)))

-- name: empty
-- Only where there is certainly nothing: a job that was locked by another transaction is found here.
update queue.buckets as bucket set filled = false
where id = any(%(ids)s) and not exists (select from queue.ready where ready.bucket_id = bucket.id)
returning id

-- name: age
-- One class up (above the most urgent one: before all) for every so long that a job has been due and
-- its bucket not held.
with old as (
    select job.ctid as place, job.bucket_id, job.tenant_id
    from queue.ready as job join queue.buckets as bucket on bucket.id = job.bucket_id
    where job.bucket_id = any(%(ids)s) and job.priority > 1
      and greatest(job.due_at, bucket.released_at) <= now() - %(ageing)s::interval * (job.aged + 1)
    limit %(most)s
    for update of job skip locked
), aged as (
    update queue.ready as job
    set priority = case when job.priority > 150 then 150 when job.priority > 50 then 50 else 1 end, aged = job.aged + 1
    where job.ctid = any(array(select place from old))
    returning job.bucket_id, job.tenant_id, job.priority, job.due_at
)
insert into queue.arrivals (slot, tenant_id, bucket_id, priority, due_at, jobs)
select {slot}, tenant_id, bucket_id, min(priority), min(due_at), 0 from aged group by tenant_id, bucket_id
returning bucket_id

-- name: due_jobs
with due as (
    delete from queue.scheduled where ctid = any(array(
        select ctid from queue.scheduled where due_at <= now() and slot = any(%(slots)s)
        order by due_at limit %(most)s for update skip locked))
    returning *
), ready as (
    insert into queue.ready ({job}, attempts, losses) select {job}, attempts, losses from due
)
insert into queue.arrivals (slot, tenant_id, bucket_id, priority, due_at, jobs)
select slot, tenant_id, bucket_id, min(priority), min(due_at), 0 from due group by slot, tenant_id, bucket_id

-- name: hold
with held as (
    update queue.buckets set held_until = coalesce(%(until)s::timestamptz, 'infinity'), reason = %(reason)s
    where tenant_id = %(tenant_id)s and name = any(%(names)s)
    returning id, slot, tenant_id
), told as (
    insert into queue.arrivals (slot, tenant_id, bucket_id, jobs) select slot, tenant_id, id, 0 from held
)
select id from held

-- name: release_buckets
with released as (
    update queue.buckets set held_until = '-infinity', reason = null, released_at = now()
    where tenant_id = %(tenant_id)s and name = any(%(names)s)
    returning id, slot, tenant_id
), told as (
    insert into queue.arrivals (slot, tenant_id, bucket_id, jobs) select slot, tenant_id, id, 0 from released
)
select id from released

-- name: dead_letters
select id, tenant_id, bucket_id, priority, attempts, reason, words, died_at
from queue.dead
where (%(tenant_id)s::uuid is null or tenant_id = %(tenant_id)s)
  and (%(before)s::uuid is null or id < %(before)s)
order by id desc
limit %(limit)s

-- name: replay
-- Due now, with no attempt spent and a whole life.
with gone as (
    delete from queue.dead where id = any(%(ids)s) and body is not null returning *
), body as (
    insert into queue.carried_bodies (id, tenant_id, body) select id, tenant_id, body from gone
    on conflict do nothing
), ready as (
    insert into queue.ready ({job})
    select id, bucket_id, priority, now(), tenant_id, now() + (expires_at - due_at) from gone
), arrival as (
    insert into queue.arrivals (slot, tenant_id, bucket_id, priority, due_at, jobs)
    select {slot}, tenant_id, bucket_id, min(priority), now(), count(*) from gone group by tenant_id, bucket_id
), recorded as (
    update queue.records as record set state = 'queued', reason = 'replayed', attempts = 0, changed_at = now()
    from gone where record.id = gone.id
)
select id from gone

-- name: purge
delete from queue.dead where id = any(%(ids)s) returning id

-- name: resolve
-- What people found out about an unknown outcome: the effect was there, or it was not.
with gone as (
    delete from queue.unknown where id = any(%(ids)s) returning *
), ready as (
    insert into queue.ready ({job}, attempts)
    select id, bucket_id, priority, now(), tenant_id, greatest(expires_at, now() + interval '1 day'), attempts
    from gone where not %(had_effect)s
), arrival as (
    insert into queue.arrivals (slot, tenant_id, bucket_id, priority, due_at, jobs)
    select {slot}, tenant_id, bucket_id, min(priority), now(), count(*)
    from gone where not %(had_effect)s group by tenant_id, bucket_id
), recorded as (
    update queue.records as record
    set state = case when %(had_effect)s then 'done' else 'queued' end, reason = 'resolved', changed_at = now()
    from gone where record.id = gone.id
)
select id from gone

-- name: stats
select
    (select count(*) from queue.ready) as ready,
    (select count(*) from queue.scheduled) as scheduled,
    (select count(*) from queue.claimed) as claimed,
    (select count(*) from queue.claimed where begun_at is not null) as begun,
    (select count(*) from queue.unknown) as unknown,
    (select count(*) from queue.dead) as dead,
    (select count(*) from queue.buckets where filled and held_until > now()) as held_buckets,
    (select extract(epoch from now() - min(due_at)) from queue.ready) as oldest_seconds,
    (select extract(epoch from now() - min(since)) from queue.unknown) as oldest_unknown_seconds,
    (select count(*) from queue.workers where lease_until > now()) as workers

-- name: bind
-- The database as it is now is the one that the queue belongs to.
insert into queue.identity (system, timeline) select system, timeline from queue.current_identity()
on conflict (is_only) do update
set system = excluded.system, timeline = excluded.timeline, bound_at = now()

-- name: bind_first
insert into queue.identity (system, timeline) select system, timeline from queue.current_identity()
on conflict do nothing

-- name: is_bound
select queue.is_bound()
