-- part: job
id, bucket_id, priority, due_at, tenant_id, expires_at

-- part: body
-- Found by its key, whatever the statistics say.
coalesce(
    (select body from queue.bodies where bodies.id = job.id and bodies.tenant_id = job.tenant_id),
    (select body from queue.carried_bodies as bodies where bodies.id = job.id and bodies.tenant_id = job.tenant_id))

-- part: slot
get_byte(uuid_send(tenant_id), 15)

-- name: enqueue_one
select (queue.enqueue_alike(
    %b::uuid, %b, %b::text, %b::smallint, %b::interval, %b::interval, array[%b::bytea], null, null)).ids[1]

-- name: enqueue_alike
select ids, are_new, are_same from queue.enqueue_alike(
    %b::uuid, %b, %b::text, %b::smallint, %b::interval, %b::interval, %b::bytea[], %b::bytea[], %b::bytea[])

-- name: enqueue
select id, is_new, is_same from queue.enqueue(
    %b, %b, %b::text[], %b::smallint[], %b::interval[], %b::interval[], %b::bytea[], %b::bytea[], %b::bytea[], %b::integer[])

-- name: register
-- Ids are random: after a restore the next number of a sequence may be that of a worker that still runs, and
-- tokens begin with them. They have 31 bits.
with slots as (
    insert into queue.slots (slot) select generate_series(0, 255) on conflict do nothing
)
insert into queue.workers (id, name, lease_until) overriding system value
values (1 + floor(random() * 2147483646)::bigint, %(name)s, now() + %(lease)s)
returning id

-- name: renew
update queue.workers set lease_until = now() + %(lease)s, draining = %(draining)s
where id = %(worker)s
returning id

-- name: want_notices
update queue.workers set wants_notice = %(wanted)s where id = %(worker)s

-- name: leave
delete from queue.workers where id = %(worker)s

-- name: end_lost_workers
-- One that was suspended in a transaction holds its row until the server ends its session.
delete from queue.workers where id = any(array(
    select id from queue.workers where lease_until < now() for update skip locked))

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
select greatest(0, (select count(*) from queue.slots where worker = %(worker)s) - ceil(256.0 / greatest(count(*), 1)))::integer
from queue.workers where lease_until > now() and not draining

-- name: give_slots
update queue.slots set worker = null where slot = any(%(slots)s) and worker = %(worker)s

-- name: claim
-- Most urgent first, from where each bucket was left: that spares the index entries of jobs that
-- are gone, which cannot be removed while an old transaction is open.
with wanted as (
    select wanted.*
    from unnest(%(buckets)b::bigint[], %(counts)b::integer[], %(priorities)b::smallint[],
        %(dues)b::timestamptz[], %(ids)b::uuid[]) as wanted (bucket_id, most, priority, due_at, id)
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
select id, bucket_id, priority, due_at, tenant_id, attempts, expires_at <= now() as expired, {body} as body
from taken as job
order by priority, due_at, id

-- name: take
-- Jobs that wait in a list: the first worker that asks under the token of their claim gets them.
with taken as (
    update queue.claimed as job set worker = %(worker)s, token = %(token)s, claimed_at = now()
    from unnest(%(ids)b::uuid[], %(tokens)b::bigint[]) as wanted (id, token)
    where job.id = wanted.id and job.token = wanted.token and job.begun_at is null
      and exists (select from queue.workers where id = %(worker)s and lease_until > now())
      and queue.is_bound()
    returning job.*
)
select id, bucket_id, priority, due_at, tenant_id, attempts, expires_at <= now() as expired, {body} as body
from taken as job
order by priority, due_at, id

-- name: tokens
select id, token from queue.claimed where id = any(%(ids)s)

-- name: begin
update queue.claimed as job set begun_at = now(), note = intent.note
from unnest(%(ids)b::uuid[], %(tokens)b::bigint[], %(notes)b::text[]) as intent (id, token, note)
where job.id = intent.id and job.token = intent.token and job.begun_at is null
  and (select queue.must_be_bound())
returning job.id

-- name: begun
select job.id
from queue.claimed as job join unnest(%(ids)b::uuid[], %(tokens)b::bigint[]) as intent (id, token) using (id, token)
where job.begun_at is not null

-- name: refuse
-- In the transaction of `begin`: its rows are locked.
update queue.claimed set begun_at = null, note = null where id = any(%(ids)s)

-- name: make_buckets
-- Before `finish`, for jobs that go into other buckets: beside their own, and as urgent.
insert into queue.buckets (tenant_id, name, urgent)
select distinct source.tenant_id, wanted.name, source.urgent
from unnest(%(sources)b::bigint[], %(names)b::text[]) as wanted (source, name)
join queue.buckets as source on source.id = wanted.source
order by source.tenant_id, wanted.name, source.urgent
on conflict do nothing

-- name: finish
-- What is no longer held under its token is not written: another worker has it. An outcome that
-- comes late replaces `unknown`; after a restore (token 0), whatever claim it is of.
-- psycopg remembers the conversion of no statement above 4,096 characters.
with outcome as materialized (
    select job_id, job_token, coalesce(state, 'done') as state, new_reason, coalesce(delay, '0') as delay,
        coalesce(spent, 1) as spent, words, bucket, new_note, life
    from unnest(
        %(ids)b::uuid[], %(tokens)b::bigint[], %(states)b::text[], %(reasons)b::text[],
        %(delays)b::interval[], %(spent)b::smallint[], %(words)b::text[], %(buckets)b::text[],
        %(notes)b::text[], %(lives)b::interval[])
        as outcome (job_id, job_token, state, new_reason, delay, spent, words, bucket, new_note, life)
    where (select queue.must_be_bound())
), held as (
    delete from queue.claimed using outcome
    where id = job_id and token = job_token
    returning {job}, token, note, attempts, losses, begun_at is not null as has_begun, 1 as waited, outcome.*
), late as (
    delete from queue.unknown using outcome
    where id = any(%(ids)b::uuid[]) and id = job_id and token in (job_token, 0) and state <> 'released'
    returning {job}, token, note, attempts, losses, true, 0, outcome.*
), gone as (
    select id, priority, due_at, tenant_id, least(expires_at, now() + life) as expires_at, token,
        coalesce(new_note, note) as note, least(attempts::integer + spent, 32767)::smallint as attempts,
        losses, state, new_reason as reason, delay, words, bucket, waited, has_begun,
        state = 'released' and delay = interval '0' as is_back,
        state = 'retry' or (state = 'released' and delay > interval '0') as is_later,
        case when bucket is null then bucket_id else (
            select target.id
            from queue.buckets as source join queue.buckets as target using (tenant_id, urgent)
            where source.id = ended.bucket_id and target.name = ended.bucket
        ) end as bucket_id
    from (select * from held union all select * from late) as ended
), again as (
    insert into queue.scheduled (slot, {job}, attempts, losses)
    select {slot}, id, bucket_id, priority, now() + delay, tenant_id, expires_at, attempts,
        case state when 'retry' then 0 else losses end
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
    select {job}, attempts, reason, words, {body} from gone as job where state = 'dead'
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
        bucket_id = gone.bucket_id, expires_at = gone.expires_at,
        due_at = case when is_later then now() + delay else record.due_at end
    from gone where record.id = gone.id and (gone.state <> 'released' or is_later or gone.bucket is not null)
)
select id, has_begun from gone

-- name: finish_done
-- What `finish` writes of jobs that are just done, as most are: its other parts cost as much as these, also unused.
with outcome as materialized (
    select job_id, job_token, new_note
    from unnest(%(ids)b::uuid[], %(tokens)b::bigint[], %(notes)b::text[]) as outcome (job_id, job_token, new_note)
    where (select queue.must_be_bound())
), held as (
    delete from queue.claimed using outcome where id = job_id and token = job_token
    returning id, tenant_id, attempts, coalesce(new_note, note) as note, begun_at is not null as has_begun, 1 as waited
), late as (
    delete from queue.unknown using outcome
    where id = any(%(ids)b::uuid[]) and id = job_id and token in (job_token, 0)
    returning id, tenant_id, attempts, coalesce(new_note, note) as note, true, 0
), gone as (
    select * from held union all select * from late
), counted as (
    insert into queue.arrivals (slot, tenant_id, jobs)
    select {slot}, tenant_id, -sum(waited) from gone group by tenant_id
), recorded as (
    update queue.records as record
    set state = 'done', reason = null, attempts = least(gone.attempts::integer + 1, 32767)::smallint,
        changed_at = now(), note = gone.note
    from gone where record.id = gone.id
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
-- begun has an unknown outcome; the rest waits again, but one that ends its workers must not do so for
-- ever. What is lost for the first time waits where it was. What was lost before is suspected and waits
-- apart from others; it counts as one more loss only if its worker had no other suspect in hand, so
-- that others that were lost along are not blamed.
with suspects as (
    select worker, count(*) as jobs from queue.claimed where begun_at is null and losses > 0 group by worker
), held as (
    delete from queue.claimed where id = any(array(
        select job.id from queue.claimed as job
        left join queue.workers as worker on worker.id = job.worker and worker.lease_until > now()
        where (worker.id is null or job.claimed_at < now() - %(longest)s::interval) and queue.is_bound()
        limit %(most)s
        for update of job skip locked))
    returning *
), blamed as (
    select {job}, token, note, attempts, losses as before, random() * %(apart)s::interval * power(2, losses) as wait,
        begun_at is not null as has_begun,
        losses + (losses = 0 or (select jobs = 1 from suspects where suspects.worker = held.worker))::integer as losses
    from held
), gone as materialized (
    select *, case
        when has_begun then 'unknown' when losses >= %(most_losses)s then 'dead' when before > 0 then 'apart'
        else 'back'
    end as fate
    from blamed
), back as (
    insert into queue.ready ({job}, attempts, losses)
    select {job}, attempts, losses from gone where fate = 'back'
), arrival as (
    insert into queue.arrivals (slot, tenant_id, bucket_id, priority, due_at, jobs)
    select {slot}, tenant_id, bucket_id, min(priority), min(due_at), 0
    from gone where fate = 'back' group by tenant_id, bucket_id
), apart as (
    insert into queue.scheduled (slot, {job}, attempts, losses)
    select {slot}, id, bucket_id, priority, now() + wait, tenant_id, expires_at, attempts, losses
    from gone where fate = 'apart'
), put_off as (
    update queue.records as record set due_at = now() + wait, changed_at = now()
    from gone where record.id = gone.id and fate = 'apart'
), doubtful as (
    insert into queue.unknown ({job}, token, attempts, losses, note, reason)
    select {job}, token, attempts, before, note, 'worker_lost' from gone where fate = 'unknown'
), dead as (
    insert into queue.dead ({job}, attempts, reason, body)
    select {job}, attempts, 'ends_its_worker', {body} from gone as job where fate = 'dead'
), recorded as (
    update queue.records as record
    set state = fate, reason = case fate when 'dead' then 'ends_its_worker' else 'worker_lost' end,
        changed_at = now(), note = gone.note
    from gone where record.id = gone.id and fate in ('unknown', 'dead')
), counted as (
    insert into queue.arrivals (slot, tenant_id, jobs)
    select {slot}, tenant_id, -count(*) from gone where fate in ('unknown', 'dead') group by tenant_id
)
select id, tenant_id, bucket_id, token, attempts,
    case when fate in ('unknown', 'dead') then fate end as state,
    case fate when 'dead' then 'ends_its_worker' when 'unknown' then 'worker_lost' end as reason
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
-- Those that have jobs and are not held: those among `ids`, and those of slots whose hold ended since.
with wanted as (
    select id from queue.buckets where id = any(%(ids)s)
    union
    select id from queue.buckets
    where filled and slot = any(%(slots)s)
      and held_until between coalesce(%(since)s::timestamptz, '-infinity') and now()
)
select bucket.id, bucket.tenant_id, bucket.name, bucket.urgent, tenant.weight, now() as at
from queue.buckets as bucket join queue.tenants as tenant using (tenant_id)
where bucket.id in (select id from wanted) and bucket.filled and bucket.held_until <= now()

-- name: empty
-- Only where there is certainly nothing: a job that was locked by another transaction is found here.
update queue.buckets as bucket set filled = false, emptied_at = now()
where id = any(%(ids)s) and not exists (select from queue.ready where ready.bucket_id = bucket.id)
returning id

-- name: age
-- One class up (above the most urgent one: before all) for every so long that a job has been due and
-- its bucket not held. Of each priority the jobs that were due first are looked at: it costs the same,
-- however many wait.
with recursive level (bucket_id, released_at, priority) as (
    select bucket.id, greatest(released_at, held_until), first.priority
    from queue.buckets as bucket cross join lateral (
        select priority from queue.ready where bucket_id = bucket.id and priority > 1 order by priority limit 1
    ) as first
    where bucket.id = any(%(ids)s)
    union all
    select level.bucket_id, released_at, next.priority
    from level cross join lateral (
        select priority from queue.ready
        where bucket_id = level.bucket_id and priority > level.priority order by priority limit 1
    ) as next
), old as (
    select job.place
    from level cross join lateral (
        select ctid as place, due_at, aged from queue.ready
        where bucket_id = level.bucket_id and priority = level.priority
        order by due_at, id limit %(each)s
    ) as job
    where greatest(job.due_at, level.released_at) <= now() - %(ageing)s::interval * (job.aged + 1)
    limit %(most)s
), locked as (
    select ctid as place from queue.ready where ctid = any(array(select place from old)) for update skip locked
), aged as (
    update queue.ready as job
    set priority = case when job.priority > 150 then 150 when job.priority > 50 then 50 else 1 end, aged = job.aged + 1
    where job.ctid = any(array(select place from locked))
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

-- name: bind_first
insert into queue.identity (system, timeline) select system, timeline from queue.current_identity()
on conflict do nothing

-- name: is_bound
select queue.is_bound()

-- name: expire
-- What nobody claims, since its bucket is held, or is due too late. The reason is that of a hold in force then.
with old_ready as (
    delete from queue.ready where ctid = any(array(
        select ctid from queue.ready where expires_at <= now() and queue.is_bound() limit %(most)s
        for update skip locked))
    returning id, tenant_id, bucket_id, attempts, expires_at
), old_scheduled as (
    delete from queue.scheduled where ctid = any(array(
        select ctid from queue.scheduled where expires_at <= now() and queue.is_bound() limit %(most)s
        for update skip locked))
    returning id, tenant_id, bucket_id, attempts, expires_at
), old as (
    select * from old_ready union all select * from old_scheduled
), counted as (
    insert into queue.arrivals (slot, tenant_id, jobs) select {slot}, tenant_id, -count(*) from old group by tenant_id
)
update queue.records as record
set state = 'expired', changed_at = now(),
    reason = case when bucket.held_until > old.expires_at then bucket.reason else 'expired' end
from old join queue.buckets as bucket on bucket.id = old.bucket_id
where record.id = old.id
returning record.id, record.tenant_id, record.bucket_id, 0 as token, old.attempts, record.state, record.reason

-- name: begin_upkeep
-- One worker at a time, and nobody waits for it for long.
select pg_try_advisory_xact_lock(%(lock)s),
    set_config('lock_timeout', '100ms', true), set_config('statement_timeout', '0', true),
    set_config('enable_seqscan', 'on', true)

-- name: make_partitions
select queue.make_partitions(%(ahead)s)

-- name: drop_bodies
select queue.drop_bodies(%(bodies)s)

-- name: drop_carried_bodies
delete from queue.carried_bodies where ctid = any(array(
    select ctid from queue.carried_bodies where not queue.waits(id) limit %(most)s))

-- name: drop_default_bodies
delete from queue.bodies_default where ctid = any(array(
    select ctid from queue.bodies_default
    where id < queue.least_id(now() - make_interval(days => %(bodies)s + 1)) and not queue.waits(id)
    order by id limit %(most)s))

-- name: drop_records
select queue.drop_records(%(records)s)

-- name: drop_default_records
delete from queue.records_default where ctid = any(array(
    select ctid from queue.records_default
    where id < queue.least_id(now() - make_interval(days => %(records)s + 1))
      and state not in ('queued', 'retry', 'unknown')
    order by id limit %(most)s))

-- name: drop_dead
-- With their records: what is replayed has one.
delete from queue.dead where ctid = any(array(
    select ctid from queue.dead
    where id < queue.least_id(now() - make_interval(days => %(records)s))
      and not exists (select from queue.records where records.id = dead.id)
    order by id limit %(most)s))

-- name: drop_buckets
select queue.drop_buckets(%(buckets)s)

-- name: drop_keys
delete from queue.keys where ctid = any(array(
    select ctid from queue.keys where created_at < now() - make_interval(days => %(keys)s) limit %(most)s))
