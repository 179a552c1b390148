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
where job.id = intent.id and job.token = intent.token and job.begun_at is null
  and (select queue.must_be_bound())
returning job.id

-- name: begun
select job.id
from queue.claimed as job join unnest(%(ids)s::uuid[], %(tokens)s::bigint[]) as intent (id, token) using (id, token)
where job.begun_at is not null

-- name: refuse
-- In the transaction of `begin`: its rows are locked.
update queue.claimed set begun_at = null, note = null where id = any(%(ids)s)

-- name: make_buckets
-- Before `finish`, for jobs that go into other buckets: beside their own, and as urgent.
insert into queue.buckets (tenant_id, name, urgent)
select distinct source.tenant_id, wanted.name, source.urgent
from unnest(%(sources)s::bigint[], %(names)s::text[]) as wanted (source, name)
join queue.buckets as source on source.id = wanted.source
order by source.tenant_id, wanted.name, source.urgent
on conflict do nothing

-- name: finish
-- What is no longer held under its token is not written: another worker has it. An outcome that
-- comes late replaces `unknown`; after a restore (token 0), whatever claim it is of.
with bound as materialized (
    select queue.must_be_bound() as is_bound
), outcome as materialized (
    select * from unnest(
        %(ids)s::uuid[], %(tokens)s::bigint[], %(states)s::text[], %(reasons)s::text[],
        %(delays)s::interval[], %(spent)s::smallint[], %(words)s::text[], %(buckets)s::text[],
        %(notes)s::text[], %(lives)s::interval[])
        as outcome (id, token, state, reason, delay, spent, words, bucket, new_note, life)
    where (select is_bound from bound)
), held as (
    delete from queue.claimed as job using outcome
    where job.id = outcome.id and job.token = outcome.token
    returning job.*, outcome.state, outcome.reason, outcome.delay, outcome.spent, outcome.words, outcome.bucket,
        outcome.new_note, outcome.life
), late as (
    delete from queue.unknown as job using outcome
    where job.id = outcome.id and job.token in (outcome.token, 0) and outcome.state <> 'released'
    returning job.*, outcome.state, outcome.reason as now_reason, outcome.delay, outcome.spent, outcome.words,
        outcome.bucket, outcome.new_note, outcome.life
), ended as (
    select {job}, token, coalesce(new_note, note) as note, life, least(attempts::integer + spent, 32767)::smallint as attempts, losses, state, reason,
        delay, words, bucket, 1 as waited, begun_at is not null as has_begun
    from held
    union all
    select {job}, token, coalesce(new_note, note), life, least(attempts::integer + spent, 32767)::smallint, losses, state, now_reason,
        delay, words, bucket, 0, true
    from late
), gone as (
    select id, priority, due_at, tenant_id, least(expires_at, now() + life) as expires_at, token, note, attempts, losses, state, reason, delay, words,
        bucket, waited, has_begun, state = 'released' and delay = interval '0' as is_back,
        state = 'retry' or (state = 'released' and delay > interval '0') as is_later,
        case when bucket is null then bucket_id else (
            select target.id
            from queue.buckets as source join queue.buckets as target using (tenant_id, urgent)
            where source.id = ended.bucket_id and target.name = ended.bucket
        ) end as bucket_id
    from ended
), again as (
    insert into queue.scheduled (slot, {job}, attempts, losses)
    select {slot}, id, bucket_id, priority, now() + delay, tenant_id, expires_at, attempts, losses
    from gone where is_later
), back as (
    insert into queue.ready ({job}, attempts, losses)
    select {job}, attempts, losses from gone where is_back
), arrival as (
    insert into queue.arrivals (slot, tenant_id, bucket_id, priority, due_at, jobs)
    select {slot}, tenant_id, bucket_id, min(priority), min(due_at), 0
    from gone where is_back group by tenant_id, bucket_id
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
    set state = case when gone.state = 'released' then record.state else gone.state end,
        reason = gone.reason, attempts = gone.attempts, changed_at = now(), note = gone.note,
        bucket_id = gone.bucket_id, due_at = case when is_later then now() + delay else record.due_at end,
        expires_at = gone.expires_at
    from gone where record.id = gone.id and (gone.state <> 'released' or is_later or gone.bucket is not null)
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
        where (worker.id is null or job.claimed_at < now() - %(longest)s::interval) and queue.is_bound()
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

-- name: expire
-- What nobody claims, since its bucket is held, or is due too late.
with old_ready as (
    delete from queue.ready where ctid = any(array(
        select ctid from queue.ready where expires_at <= now() limit %(most)s for update skip locked))
    returning id, tenant_id, bucket_id
), old_scheduled as (
    delete from queue.scheduled where ctid = any(array(
        select ctid from queue.scheduled where expires_at <= now() limit %(most)s for update skip locked))
    returning id, tenant_id, bucket_id
), old as (
    select * from old_ready union all select * from old_scheduled
), counted as (
    insert into queue.arrivals (slot, tenant_id, jobs) select {slot}, tenant_id, -count(*) from old group by tenant_id
)
update queue.records as record
set state = 'expired', reason = coalesce(bucket.reason, 'expired'), changed_at = now()
from old join queue.buckets as bucket on bucket.id = old.bucket_id
where record.id = old.id
returning record.id

-- name: held
-- Buckets of a tenant that are held.
select name, reason, words, case when isfinite(held_until) then held_until end as until
from queue.buckets where tenant_id = %(tenant_id)s and held_until > now()

-- name: holding_tenants
select distinct tenant_id from queue.buckets where filled and held_until > now() and slot = any(%(slots)s)

-- name: hold
with held as (
    update queue.buckets
    set held_until = coalesce(%(until)s::timestamptz, 'infinity'), reason = %(reason)s, words = %(words)s,
        held_at = case when held_until > now() and reason = %(reason)s then held_at else now() end
    where tenant_id = %(tenant_id)s and name = any(%(names)s)
    returning id, slot, tenant_id
), told as (
    insert into queue.arrivals (slot, tenant_id, bucket_id, jobs) select slot, tenant_id, id, 0 from held
)
select id from held

-- name: release_buckets
with released as (
    update queue.buckets set held_until = '-infinity', reason = null, words = null, released_at = now()
    where tenant_id = %(tenant_id)s and name = any(%(names)s)
    returning id, slot, tenant_id
), told as (
    insert into queue.arrivals (slot, tenant_id, bucket_id, jobs) select slot, tenant_id, id, 0 from released
)
select id from released

-- name: set_tenant
with changed as (
    insert into queue.tenants (tenant_id, weight, most_waiting)
    values (%(tenant_id)s, %(weight)s, %(most_waiting)s)
    on conflict (tenant_id) do update set weight = excluded.weight, most_waiting = excluded.most_waiting
    returning tenant_id
)
insert into queue.arrivals (slot, tenant_id, bucket_id, jobs)
select slot, tenant_id, id, 0 from queue.buckets join changed using (tenant_id) where filled

-- name: tenant
select weight, most_waiting, waiting from queue.tenants where tenant_id = %(tenant_id)s

-- name: bucket_states
select bucket.id, bucket.tenant_id, bucket.name, bucket.urgent,
    ready.jobs as ready, coalesce(scheduled.jobs, 0) as scheduled, coalesce(claimed.jobs, 0) as claimed,
    ready.oldest as oldest_due_at, bucket.held_until > now() as is_held,
    case when bucket.held_until between now() and '9999-12-31' then bucket.held_until end as until,
    case when bucket.held_until > now() then bucket.reason end as reason,
    case when bucket.held_until > now() then bucket.words end as words
from queue.buckets as bucket
left join lateral (
    select count(*) as jobs, min(due_at) as oldest from queue.ready where bucket_id = bucket.id
) as ready on true
left join (select bucket_id, count(*) as jobs from queue.scheduled group by bucket_id) as scheduled
    on scheduled.bucket_id = bucket.id
left join (select bucket_id, count(*) as jobs from queue.claimed group by bucket_id) as claimed
    on claimed.bucket_id = bucket.id
where %(tenant_id)s::uuid is null or bucket.tenant_id = %(tenant_id)s
order by bucket.tenant_id, bucket.name, bucket.urgent

-- part: jobs_of
left join queue.buckets as bucket on bucket.id = job.bucket_id
left join queue.records as record on record.id = job.id
where (%(tenant_id)s::uuid is null or job.tenant_id = %(tenant_id)s)
  and (%(buckets)s::text[] is null or bucket.name = any(%(buckets)s))
  and (%(before)s::uuid is null or job.id < %(before)s)
order by job.id desc
limit %(limit)s

-- name: ready_jobs
select job.id, job.tenant_id, bucket.name as bucket, job.priority, job.attempts, job.due_at, job.expires_at,
    record.reason, null as note, null::timestamptz as since
from queue.ready as job
{jobs_of}

-- name: scheduled_jobs
select job.id, job.tenant_id, bucket.name as bucket, job.priority, job.attempts, job.due_at, job.expires_at,
    record.reason, null as note, null::timestamptz as since
from queue.scheduled as job
{jobs_of}

-- name: claimed_jobs
select job.id, job.tenant_id, bucket.name as bucket, job.priority, job.attempts, job.due_at, job.expires_at,
    record.reason, job.note, coalesce(job.begun_at, job.claimed_at) as since
from queue.claimed as job
{jobs_of}

-- name: unknown_jobs
select job.id, job.tenant_id, bucket.name as bucket, job.priority, job.attempts, job.due_at, job.expires_at,
    job.reason, job.note, job.since
from queue.unknown as job
{jobs_of}

-- name: waiting_ids
-- Due first, then those of which the time has not come.
with wanted as (
    select id from queue.buckets
    where tenant_id = %(tenant_id)s and (%(buckets)s::text[] is null or name = any(%(buckets)s))
)
(select id from queue.ready where bucket_id in (select id from wanted) limit %(limit)s)
union all
(select id from queue.scheduled where slot = get_byte(uuid_send(%(tenant_id)s), 15)
    and bucket_id in (select id from wanted) limit %(limit)s)
limit %(limit)s

-- part: waiting
-- Jobs in nobody's hands; a record says where its job is. Ageing moves only between these priorities.
with ready as (
    delete from queue.ready where ctid = any(array(
        select job.ctid
        from queue.records as record join queue.ready as job
            on job.bucket_id = record.bucket_id and job.priority in (record.priority, 150, 50, 1)
            and job.due_at = record.due_at and job.id = record.id
        where record.id = any(%(ids)s)
        for update of job skip locked))
    returning {job}, attempts, losses
), scheduled as (
    delete from queue.scheduled where ctid = any(array(
        select job.ctid
        from queue.records as record join queue.scheduled as job
            on job.due_at = record.due_at and job.slot = get_byte(uuid_send(record.tenant_id), 15) and job.id = record.id
        where record.id = any(%(ids)s)
        for update of job skip locked))
    returning {job}, attempts, losses
), gone as (
    select * from ready union all select * from scheduled
)

-- name: cancel
{waiting}, counted as (
    insert into queue.arrivals (slot, tenant_id, jobs) select {slot}, tenant_id, -count(*) from gone group by tenant_id
), recorded as (
    update queue.records as record set state = 'cancelled', reason = %(reason)s, changed_at = now()
    from gone where record.id = gone.id
)
select id from gone

-- name: set_due
{waiting}, due as (
    select greatest(coalesce(%(due_at)s::timestamptz, now()), now()) as at
), ready_again as (
    insert into queue.ready ({job}, attempts, losses)
    select id, bucket_id, priority, due.at, tenant_id, expires_at, attempts, losses from gone, due where due.at <= now()
), arrival as (
    insert into queue.arrivals (slot, tenant_id, bucket_id, priority, due_at, jobs)
    select {slot}, tenant_id, bucket_id, min(priority), due.at, 0
    from gone, due where due.at <= now() group by tenant_id, bucket_id, due.at
), scheduled_again as (
    insert into queue.scheduled (slot, {job}, attempts, losses)
    select {slot}, id, bucket_id, priority, due.at, tenant_id, expires_at, attempts, losses
    from gone, due where due.at > now()
), recorded as (
    update queue.records as record set due_at = due.at, changed_at = now() from gone, due where record.id = gone.id
)
select id from gone

-- name: move
{waiting}, target as (
    select gone.id, target.id as bucket_id
    from gone
    join queue.buckets as source on source.id = gone.bucket_id
    join queue.buckets as target
        on target.tenant_id = source.tenant_id and target.urgent = source.urgent and target.name = %(bucket)s
), ready_again as (
    insert into queue.ready ({job}, attempts, losses)
    select id, target.bucket_id, priority, due_at, tenant_id, expires_at, attempts, losses
    from ready join target using (id)
), arrival as (
    insert into queue.arrivals (slot, tenant_id, bucket_id, priority, due_at, jobs)
    select {slot}, tenant_id, target.bucket_id, min(priority), min(due_at), 0
    from ready join target using (id) group by tenant_id, target.bucket_id
), scheduled_again as (
    insert into queue.scheduled (slot, {job}, attempts, losses)
    select {slot}, id, target.bucket_id, priority, due_at, tenant_id, expires_at, attempts, losses
    from scheduled join target using (id)
), recorded as (
    update queue.records as record set bucket_id = target.bucket_id from target where record.id = target.id
)
select id from gone

-- name: make_bucket
insert into queue.buckets (tenant_id, name, urgent)
select distinct source.tenant_id, %(bucket)s, source.urgent
from queue.records as record join queue.buckets as source on source.id = record.bucket_id
where record.id = any(%(ids)s)
order by source.tenant_id, source.urgent
on conflict do nothing

-- name: erase
-- Of jobs that are over, also those of unknown outcome: what is in work, or waits, still needs its body.
with wanted as materialized (
    select record.id
    from queue.records as record
    where record.id = any(%(ids)s) and record.state in ('done', 'dead', 'cancelled', 'expired', 'unknown')
    for update
), body as (
    update queue.bodies as body set body = '' from wanted where body.id = wanted.id
), carried as (
    update queue.carried_bodies as body set body = '' from wanted where body.id = wanted.id
), dead as (
    update queue.dead as dead set body = null, words = null from wanted where dead.id = wanted.id
), doubtful as (
    delete from queue.unknown as doubtful using wanted where doubtful.id = wanted.id
)
update queue.records as record set note = null from wanted where record.id = wanted.id
returning record.id

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
    update queue.records as record
    set state = 'queued', reason = 'replayed', attempts = 0, changed_at = now(), due_at = now()
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
    set state = case when %(had_effect)s then 'done' else 'queued' end, reason = 'resolved', changed_at = now(),
        due_at = case when %(had_effect)s then record.due_at else now() end
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

-- name: recover_claimed_as_unknown
-- After a restore: what became of them since is not known here.
with gone as (
    delete from queue.claimed where not queue.is_bound() returning *
), doubtful as (
    insert into queue.unknown ({job}, token, attempts, losses, note, reason)
    select {job}, token, attempts, losses, note, 'database_restored' from gone
), counted as (
    insert into queue.arrivals (slot, tenant_id, jobs) select {slot}, tenant_id, -count(*) from gone group by tenant_id
), recorded as (
    update queue.records as record
    set state = 'unknown', reason = 'database_restored', changed_at = now(), note = gone.note
    from gone where record.id = gone.id
)
select id from gone

-- name: recover_waiting_as_unknown
-- They were due, not held, and enqueued before: they may have been claimed since.
with ready as (
    delete from queue.ready as job using queue.buckets as bucket
    where bucket.id = job.bucket_id and bucket.held_until <= now() and job.due_at <= now()
      and job.id < queue.least_id(%(since)s) and not queue.is_bound()
    returning job.id, job.bucket_id, job.priority, job.due_at, job.tenant_id, job.expires_at, job.attempts, job.losses
), scheduled as (
    delete from queue.scheduled as job using queue.buckets as bucket
    where bucket.id = job.bucket_id and bucket.held_until <= now() and job.due_at <= now()
      and job.id < queue.least_id(%(since)s) and not queue.is_bound()
    returning job.id, job.bucket_id, job.priority, job.due_at, job.tenant_id, job.expires_at, job.attempts, job.losses
), gone as (
    select * from ready union all select * from scheduled
), doubtful as (
    insert into queue.unknown ({job}, token, attempts, losses, reason)
    select {job}, 0, attempts, losses, 'database_restored' from gone
), counted as (
    insert into queue.arrivals (slot, tenant_id, jobs) select {slot}, tenant_id, -count(*) from gone group by tenant_id
), recorded as (
    update queue.records as record set state = 'unknown', reason = 'database_restored', changed_at = now()
    from gone where record.id = gone.id
)
select id from gone

-- name: recover_claimed_as_waiting
with gone as (
    delete from queue.claimed where not queue.is_bound() returning *
), back as (
    insert into queue.ready ({job}, attempts, losses) select {job}, attempts, losses from gone
), arrival as (
    insert into queue.arrivals (slot, tenant_id, bucket_id, priority, due_at, jobs)
    select {slot}, tenant_id, bucket_id, min(priority), min(due_at), 0 from gone group by tenant_id, bucket_id
)
select id from gone

-- name: bind_first
insert into queue.identity (system, timeline) select system, timeline from queue.current_identity()
on conflict do nothing

-- name: is_bound
select queue.is_bound()
