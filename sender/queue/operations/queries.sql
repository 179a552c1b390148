-- part: job
id, bucket_id, priority, due_at, tenant_id, expires_at

-- part: slot
get_byte(uuid_send(tenant_id), 15)

-- name: hold
with wanted as (
    select bucket.id, new.until, new.endless, new.reason, new.words
    from unnest(%(tenant_ids)s::uuid[], %(names)s::text[], %(untils)s::timestamptz[], %(endless)s::boolean[],
        %(reasons)s::text[], %(words)s::text[]) as new (tenant_id, name, until, endless, reason, words)
    join queue.buckets as bucket using (tenant_id, name)
    order by bucket.id
    for update of bucket
), held as (
    update queue.buckets as bucket
    set held_until = coalesce(wanted.until, 'infinity'), endless = wanted.endless, reason = wanted.reason,
        words = wanted.words,
        held_at = case when held_until > now() and bucket.reason = wanted.reason then held_at else now() end
    from wanted where bucket.id = wanted.id
    returning bucket.id, slot, tenant_id
), arrival as (
    insert into queue.arrivals (slot, tenant_id, bucket_id, jobs) select slot, tenant_id, id, 0 from held
)
select id from held

-- name: release_buckets
with released as (
    update queue.buckets set held_until = '-infinity', endless = false, reason = null, words = null, released_at = now()
    where tenant_id = %(tenant_id)s and name = any(%(names)s)
    returning id, slot, tenant_id
), arrival as (
    insert into queue.arrivals (slot, tenant_id, bucket_id, jobs) select slot, tenant_id, id, 0 from released
)
select id from released

-- name: held
select name, reason, words, held_at as since,
    case when not endless then held_until end as until
from queue.buckets where tenant_id = %(tenant_id)s and held_until > now()

-- name: held_buckets
-- Those with due jobs, by pages; only those of the page are counted.
with page as (
    select * from queue.buckets as bucket
    where held_until > now() and id > %(after)s
      and (%(tenant_id)s::uuid is null or tenant_id = %(tenant_id)s)
      and (%(reason)s::text is null or reason = %(reason)s)
      and exists (select from queue.ready where ready.bucket_id = bucket.id)
    order by id
    limit %(limit)s
)
select page.id, page.tenant_id, page.name, page.urgent, page.reason, page.words, page.held_at as since,
    case when not page.endless then page.held_until end as until, ready.jobs, ready.oldest_due_at
from page cross join lateral (
    select count(*) as jobs, min(due_at) as oldest_due_at from (
        select due_at from queue.ready where bucket_id = page.id order by priority, due_at, id limit %(counted)s + 1) as first
) as ready
order by page.id

-- name: holding_tenants
select distinct tenant_id from queue.buckets where filled and held_until > now() and slot = any(%(slots)s)

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
    case when bucket.held_until > now() then bucket.held_at end as since,
    case when bucket.held_until > now() and not bucket.endless then bucket.held_until end as until,
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
with gone as materialized (
    select * from queue.take_waiting(%(ids)s)
)

-- name: cancel
select id from queue.cancel(%(ids)s, %(reason)s) as id

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
    from gone join target using (id) where is_due
), arrival as (
    insert into queue.arrivals (slot, tenant_id, bucket_id, priority, due_at, jobs)
    select {slot}, tenant_id, target.bucket_id, min(priority), min(due_at), 0
    from gone join target using (id) where is_due group by tenant_id, target.bucket_id
), scheduled_again as (
    insert into queue.scheduled (slot, {job}, attempts, losses)
    select {slot}, id, target.bucket_id, priority, due_at, tenant_id, expires_at, attempts, losses
    from gone join target using (id) where not is_due
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
-- Due now, with no attempt spent and a whole life: that of what was tried for long is almost over.
with gone as (
    delete from queue.dead where id = any(%(ids)s) and body is not null
    returning *, now() + greatest(expires_at - due_at, interval '2 days') as lives_until
), body as (
    insert into queue.carried_bodies (id, tenant_id, body) select id, tenant_id, body from gone
    on conflict do nothing
), ready as (
    insert into queue.ready ({job})
    select id, bucket_id, priority, now(), tenant_id, lives_until from gone
), arrival as (
    insert into queue.arrivals (slot, tenant_id, bucket_id, priority, due_at, jobs)
    select {slot}, tenant_id, bucket_id, min(priority), now(), count(*) from gone group by tenant_id, bucket_id
), recorded as (
    update queue.records as record
    set state = 'queued', reason = 'replayed', attempts = 0, changed_at = now(), due_at = now(),
        expires_at = gone.lives_until
    from gone where record.id = gone.id
)
select id from gone

-- name: purge
delete from queue.dead where id = any(%(ids)s) returning id

-- name: resolve
-- What people found out about an unknown outcome: the effect was there, or it was not.
with gone as (
    delete from queue.unknown where id = any(%(ids)s)
    returning *, greatest(expires_at, now() + interval '1 day') as lives_until
), ready as (
    insert into queue.ready ({job}, attempts)
    select id, bucket_id, priority, now(), tenant_id, lives_until, attempts from gone where not %(had_effect)s
), arrival as (
    insert into queue.arrivals (slot, tenant_id, bucket_id, priority, due_at, jobs)
    select {slot}, tenant_id, bucket_id, min(priority), now(), count(*)
    from gone where not %(had_effect)s group by tenant_id, bucket_id
), recorded as (
    update queue.records as record
    set state = case when %(had_effect)s then 'done' else 'queued' end, reason = 'resolved', changed_at = now(),
        due_at = case when %(had_effect)s then record.due_at else now() end,
        expires_at = case when %(had_effect)s then record.expires_at else gone.lives_until end
    from gone where record.id = gone.id
)
select id from gone

-- part: shares
-- How much of each table is read: all of a small one, some blocks chosen at random of a large one.
shares as materialized (
    select queue.share('queue.ready', %(blocks)s) as ready, queue.share('queue.scheduled', %(blocks)s) as scheduled,
        queue.share('queue.unknown', %(blocks)s) as unknown, queue.share('queue.dead', %(blocks)s) as dead
)

-- part: ready_sample
queue.ready tablesample system (100 * (select ready from shares))

-- part: scheduled_sample
queue.scheduled tablesample system (100 * (select scheduled from shares))

-- part: unknown_sample
queue.unknown tablesample system (100 * (select unknown from shares))

-- part: dead_sample
queue.dead tablesample system (100 * (select dead from shares))

-- name: stats
with {shares}
select ready.jobs as ready, scheduled.jobs as scheduled, claimed.jobs as claimed, claimed.begun,
    unknown.jobs as unknown, dead.jobs as dead,
    (select count(*) from queue.buckets where filled and held_until > now()) as held_buckets,
    extract(epoch from now() - ready.oldest) as oldest_seconds,
    extract(epoch from now() - unknown.oldest) as oldest_unknown_seconds,
    (select count(*) from queue.workers where lease_until > now()) as workers,
    least(shares.ready, shares.scheduled, shares.unknown, shares.dead) < 1 as is_estimate
from shares
cross join lateral (
    select (count(*) / shares.ready)::bigint as jobs, min(due_at) as oldest from {ready_sample}) as ready
cross join lateral (select (count(*) / shares.scheduled)::bigint as jobs from {scheduled_sample}) as scheduled
cross join lateral (select count(*) as jobs, count(begun_at) as begun from queue.claimed) as claimed
cross join lateral (
    select (count(*) / shares.unknown)::bigint as jobs, min(since) as oldest from {unknown_sample}) as unknown
cross join lateral (select (count(*) / shares.dead)::bigint as jobs from {dead_sample}) as dead

-- name: depths
-- What is where, and for how long: what is due counts from the end of its bucket's last hold.
with {shares}, ready as (
    select bucket_id, count(*) as jobs, min(due_at) as oldest from {ready_sample} group by bucket_id
), placed as (
    select case when bucket.held_until > now() then 'held' else 'due' end as state,
        case when bucket.held_until > now() then bucket.reason end as reason, ready.jobs / shares.ready as jobs,
        case when bucket.held_until > now() then ready.oldest
        else greatest(ready.oldest, bucket.released_at, bucket.held_until) end as oldest, shares.ready as share
    from shares cross join ready
    cross join lateral (select * from queue.buckets where id = ready.bucket_id limit 1) as bucket  -- by its key
    union all
    select 'scheduled', null, jobs / shares.scheduled, (select min(due_at) from queue.scheduled), shares.scheduled
    from shares cross join lateral (select count(*) as jobs from {scheduled_sample}) as scheduled
    union all
    select case when begun_at is null then 'claimed' else 'begun' end, null, count(*), min(coalesce(begun_at, claimed_at)), 1
    from queue.claimed group by 1
    union all
    select 'unknown', reason, jobs / shares.unknown, oldest, shares.unknown
    from shares cross join lateral (
        select reason, count(*) as jobs, min(since) as oldest from {unknown_sample} group by reason) as unknown
    union all
    select 'dead', reason, jobs / shares.dead, oldest, shares.dead
    from shares cross join lateral (
        select reason, count(*) as jobs, min(died_at) as oldest from {dead_sample} group by reason) as dead
)
select state, reason, sum(jobs)::bigint as jobs,
    greatest(0, extract(epoch from now() - min(oldest)))::float8 as oldest_seconds, min(share) < 1 as is_estimate
from placed where jobs > 0 group by state, reason order by state, reason

-- name: busiest_buckets
-- Those that wait longest without a hold come first, then the held ones with the oldest jobs. Of a large queue,
-- those are looked at that are served, and those with the oldest jobs of the sample.
with {shares}, sampled as (
    select bucket_id, min(due_at) as oldest from {ready_sample} group by bucket_id order by oldest limit %(heads)s
), served as (
    select id as bucket_id from queue.buckets where filled and held_until <= now()
    order by greatest(released_at, held_until) limit %(heads)s
), placed as (
    select bucket.*, bucket.held_until > now() as is_held, least(head.due_at, sampled.oldest) as due_at
    from sampled full join served using (bucket_id)
    join queue.buckets as bucket on bucket.id = bucket_id
    cross join lateral (
        select due_at from queue.ready where ready.bucket_id = bucket.id order by priority, due_at, id limit 1
    ) as head
), shown as (
    select *, case when is_held then due_at else greatest(due_at, released_at, held_until) end as oldest
    from placed order by is_held, oldest limit %(limit)s
)
select id, tenant_id, name, urgent, counted.jobs, is_held, case when is_held and not endless then held_until end as until,
    case when is_held then reason end as reason,
    greatest(0, extract(epoch from now() - oldest))::float8 as oldest_seconds
from shown cross join lateral (
    select count(*) as jobs from (select from queue.ready where bucket_id = shown.id limit %(counted)s + 1) as first
) as counted
order by is_held, oldest

-- name: health
-- Cheap at any size of the queue: looks at the head of so many buckets, and at the ends of indexes.
with served as (
    select id, greatest(released_at, held_until) as released_at
    from queue.buckets where filled and held_until <= now() limit %(most)s
), heads as (
    select greatest(head.due_at, served.released_at) as since
    from served cross join lateral (
        select due_at from queue.ready where bucket_id = served.id order by priority, due_at, id limit 1
    ) as head
)
select exists (select from queue.identity) and not queue.is_bound() as is_restored,
    (select count(*) from queue.workers where lease_until > now()) as workers,
    256 - (select count(*) from queue.slots join queue.workers on workers.id = slots.worker where lease_until > now())
        as unserved_slots,
    (select extract(epoch from now() - min(due_at)) from queue.scheduled where due_at < now())::float8
        as overdue_seconds,
    (select count(*) from heads where since < now() - %(lag)s::interval) as lagging_buckets,
    (select greatest(0, extract(epoch from now() - min(since))) from heads)::float8 as oldest_seconds,
    (select count(*) from queue.unknown where since < now() - %(after)s::interval) as overdue_unknown

-- name: workers
select name from queue.workers where lease_until > now() order by id

-- name: report_unknown
update queue.unknown set reported = true where id = any(array(
    select id from queue.unknown where since < now() - %(after)s::interval and not reported
    limit %(most)s for update skip locked))
returning id, tenant_id, reason

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

-- part: doubtful
doubtful as (
    insert into queue.unknown ({job}, token, attempts, losses, reason)
    select {job}, 0, attempts, losses, 'database_restored' from gone
), counted as (
    insert into queue.arrivals (slot, tenant_id, jobs) select {slot}, tenant_id, -count(*) from gone group by tenant_id
), recorded as (
    update queue.records as record set state = 'unknown', reason = 'database_restored', changed_at = now()
    from gone where record.id = gone.id
)
select id from gone

-- name: recover_waiting_as_unknown
-- They were due and enqueued before, and not held, or perhaps released since: they may have been claimed.
with ready as (
    delete from queue.ready where ctid = any(array(
        select job.ctid from queue.ready as job join queue.buckets as bucket on bucket.id = job.bucket_id
        where (%(with_held)s or bucket.held_until <= now()) and job.due_at <= now()
          and job.id < queue.least_id(%(since)s) and not queue.is_bound()
        limit %(most)s))
    returning {job}, attempts, losses
), scheduled as (
    delete from queue.scheduled where ctid = any(array(
        select job.ctid from queue.scheduled as job join queue.buckets as bucket on bucket.id = job.bucket_id
        where (%(with_held)s or bucket.held_until <= now()) and job.due_at <= now()
          and job.id < queue.least_id(%(since)s) and not queue.is_bound()
        limit %(most)s))
    returning {job}, attempts, losses
), gone as (
    select * from ready union all select * from scheduled
), {doubtful}

-- name: recover_held_as_unknown
-- The first ones of buckets whose hold may have ended since.
with gone as (
    delete from queue.ready where ctid = any(array(
        select job.place
        from queue.buckets as bucket cross join lateral (
            select ready.ctid as place from queue.ready
            where ready.bucket_id = bucket.id and ready.due_at <= now() and ready.id < queue.least_id(%(since)s)
            order by priority, due_at, id limit %(first)s) as job
        where bucket.held_until > now() and bucket.reason = any(%(may_have_ended)s) and not queue.is_bound()))
    returning {job}, attempts, losses
), {doubtful}

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

-- name: is_bound
select queue.is_bound()
