-- part: messages
select job.id, job.tenant_id, job.state, job.reason, payload.body ->> 'from' as "from", payload.body ->> 'to' as "to",
    payload.body ->> 'subject' as subject, job.message_id, job.priority, job.attempt_count as attempts, job.run_at,
    job.address, job.queue_id, job.created_at, job.finished_at
from queue.jobs as job join queue.payloads as payload on payload.job_id = job.id

-- part: stops
select id, scope, tenant_id, name, reason, actor, by_operator, since from directory.stops

-- name: enqueue
-- A repeated request (same tenant, same key) changes nothing and returns no row.
insert into queue.jobs (
    id, tenant_id, generation, priority, state, run_at, expires_at, message_id, idempotency_key, request_digest,
    created_at, updated_at)
values (
    :id, :tenant_id, :generation, :priority, 'queued', :run_at, :expires_at, :message_id, :idempotency_key,
    :request_digest, :now, :now)
on conflict (tenant_id, idempotency_key) do nothing
returning id

-- name: insert_payload
insert into queue.payloads (job_id, tenant_id, body) values (:job_id, :tenant_id, cast(:body as jsonb))

-- name: insert_attachment
insert into queue.attachments (job_id, tenant_id, number, content) values (:job_id, :tenant_id, :number, :content)

-- name: attachments
select content from queue.attachments where job_id = :job_id order by number

-- name: find_enqueued
select id, request_digest from queue.jobs where tenant_id = :tenant_id and idempotency_key = :idempotency_key

-- name: list
{messages}
where job.tenant_id = :tenant_id and (cast(:before as uuid) is null or job.id < cast(:before as uuid))
order by job.id desc
limit :limit

-- name: view
{messages}
where job.id = cast(:id as uuid) or job.message_id = :message_id
order by job.id
limit 1

-- name: decisions
select at, kind, state, reason, message, details from queue.events where job_id = :id order by id

-- name: insert_event
insert into queue.events (job_id, tenant_id, at, kind, state, reason, message, details)
values (:job_id, :tenant_id, :at, :kind, :state, :reason, :message, cast(:details as jsonb))

-- name: claim_due
-- Most urgent first. Two migrators never claim the same row, and a claimed row has a new token.
-- Priority by priority, so that rows which are due later are not read: not every version of
-- PostgreSQL skips them in the index.
with recursive levels as (
    select min(priority) as priority from queue.jobs where state in ('queued', 'held', 'deferred')
    union all
    select (
        select min(job.priority) from queue.jobs as job
        where job.state in ('queued', 'held', 'deferred') and job.priority > levels.priority)
    from levels where levels.priority is not null
), due as (
    select job.id, job.state as was
    from levels cross join lateral (
        select id, state from queue.jobs
        where priority = levels.priority and state in ('queued', 'held', 'deferred')
          and run_at <= :now and expires_at > :now
        order by run_at, id
        limit :batch
        for update skip locked
    ) as job
    limit :batch
)
update queue.jobs as job
set state = 'migrated_to_redis', lease_owner = :owner, lease_token = nextval('queue.lease_tokens'),
    lease_until = :until, updated_at = :now
from due
where job.id = due.id
returning job.id, job.tenant_id, job.priority, due.was, job.lease_token

-- name: reclaim_lost
-- What was pushed and not taken in time is pushed again under a new token; the old element is void.
with lost as (
    select id from queue.jobs
    where state = 'migrated_to_redis' and lease_until < :now
    order by priority, run_at, id
    limit :batch
    for update skip locked
)
update queue.jobs as job
set lease_owner = :owner, lease_token = nextval('queue.lease_tokens'), lease_until = :until, updated_at = :now
from lost
where job.id = lost.id
returning job.id, job.tenant_id, job.priority, 'migrated_to_redis' as was, job.lease_token

-- name: expire
-- Includes what was pushed and not taken in time: it is not sent late.
with old as (
    select id, reason from queue.jobs
    where state in ('queued', 'held', 'deferred', 'migrated_to_redis') and expires_at <= :now
      and (state <> 'migrated_to_redis' or lease_until < :now)
    limit :batch
    for update skip locked
)
update queue.jobs as job
set state = 'expired', finished_at = :now, updated_at = :now
from old
where job.id = old.id
returning job.id, job.tenant_id, old.reason

-- name: abandon_hand_overs
-- It is unknown whether these were accepted. The token stays: a worker that was only slow may still
-- report the outcome.
with dead as (
    select id from queue.jobs
    where state = 'handing_over' and lease_until < :now
    limit :batch
    for update skip locked
)
update queue.jobs as job
set state = 'unknown', reason = 'worker_lost', finished_at = :now, updated_at = :now
from dead
where job.id = dead.id
returning job.id, job.tenant_id, job.lease_owner

-- name: take
-- From now on the lease is the worker's, which extends it while it works on the job.
update queue.jobs as job
set lease_owner = :owner, lease_until = :until
from queue.payloads as payload
where job.id = :id and job.lease_token = :token and job.state = 'migrated_to_redis' and payload.job_id = job.id
returning job.id, job.tenant_id, job.generation, job.attempt_count, job.expires_at, job.message_id, job.reason, payload.body

-- name: extend_leases
update queue.jobs set lease_until = :until
where id = any(:ids) and lease_owner = :owner and state in ('migrated_to_redis', 'handing_over')

-- name: put_back
-- Before the hand-over: held by policy, deferred by a failure, or finished.
update queue.jobs
set state = :state, reason = :reason, run_at = coalesce(:run_at, run_at),
    attempt_count = attempt_count + :attempts, address = coalesce(:address, address),
    finished_at = :finished_at, updated_at = :now, lease_owner = null, lease_until = null
where id = :id and lease_token = :token and state = 'migrated_to_redis'
returning id

-- name: begin_hand_over
-- Written before the SMTP dialogue: after a crash the outcome is unknown.
update queue.jobs
set state = 'handing_over', reason = null, attempt_count = attempt_count + 1, address = :address,
    lease_owner = :owner, lease_until = :until, updated_at = :now
where id = :id and lease_token = :token and state = 'migrated_to_redis' and expires_at > :now
returning attempt_count

-- name: finish_hand_over
-- Once, by the holder of the token. The worker's outcome replaces the reaper's `worker_lost`.
update queue.jobs
set state = :state, reason = :reason, run_at = coalesce(:run_at, run_at), queue_id = :queue_id,
    finished_at = :finished_at, updated_at = :now, lease_owner = null, lease_until = null
where id = :id and lease_token = :token
  and (state = 'handing_over' or (state = 'unknown' and reason = 'worker_lost'))
returning id

-- name: count_hand_over
-- Returns no row when the cap is used up.
insert into queue.usage (kind, subject, day, handed_over)
select :kind, :subject, :day, 1 where cast(:cap as integer) > 0
on conflict (kind, subject, day) do update set handed_over = usage.handed_over + 1
where usage.handed_over < :cap
returning handed_over

-- name: settle_home
-- A home stays, unless the tenant no longer has its address.
insert into directory.homes as home (tenant_id, domain, address, since) values (:tenant_id, :domain, :address, :now)
on conflict (tenant_id, domain) do update
set address = excluded.address, since = excluded.since
where not home.address = any(:known)

-- name: publish
-- An equal document changes nothing, so that every pass may publish.
insert into directory.entries as entry (tenant_id, document, published_at)
values (:tenant_id, cast(:document as jsonb), :now)
on conflict (tenant_id) do update
set document = excluded.document, revision = entry.revision + 1, published_at = excluded.published_at
where entry.document <> excluded.document
returning revision

-- name: find_entry
select document from directory.entries where tenant_id = :tenant_id

-- name: withdraw
with ended as (delete from directory.stops where tenant_id = :tenant_id)
delete from directory.entries where tenant_id = :tenant_id

-- name: load_snapshot
-- One row, also for a tenant that is not in the directory.
select
    (select document from directory.entries where tenant_id = :tenant_id) as document,
    (select coalesce(json_object_agg(domain, address), '{}') from directory.homes
     where tenant_id = :tenant_id) as homes,
    (select coalesce(json_agg(to_json(stop) order by array_position(array['platform', 'tenant', 'domain', 'address'], scope)), '[]')
     from directory.stops as stop where tenant_id is null or tenant_id = :tenant_id) as stops,
    (select reason from suppression.entries
     where tenant_id = :tenant_id and recipient = :recipient) as suppressed

-- name: usage_today
select subject, handed_over from queue.usage
where day = :day
  and ((kind = 'address' and subject = any(:addresses)) or (kind = 'mailbox' and subject = :mailbox))

-- name: stop
insert into directory.stops (id, scope, tenant_id, name, reason, actor, by_operator, since)
values (:id, :scope, :tenant_id, :name, :reason, :actor, :by_operator, :now)
on conflict (scope, tenant_id, name) do update
set reason = excluded.reason, actor = excluded.actor, by_operator = excluded.by_operator, since = excluded.since

-- name: start
delete from directory.stops
where scope = :scope and tenant_id is not distinct from cast(:tenant_id as uuid) and name is not distinct from cast(:name as text)
returning id

-- name: release_stopped
-- What the stop held back is due now; another stop that is in force holds it back again.
update queue.jobs
set run_at = now()
where state = 'held' and reason = 'stopped' and run_at > now()
  and (cast(:tenant_id as uuid) is null or tenant_id = :tenant_id)

-- name: find_stop
{stops}
where scope = :scope and tenant_id is not distinct from cast(:tenant_id as uuid) and name is not distinct from cast(:name as text)

-- name: list_stops
{stops}
where (cast(:tenant_id as uuid) is null or tenant_id is null or tenant_id = cast(:tenant_id as uuid))
  and (cast(:before as uuid) is null or id < cast(:before as uuid))
order by id desc
limit :limit

-- name: stops_of_tenant
{stops}
where tenant_id is null or tenant_id = :tenant_id
order by array_position(array['platform', 'tenant', 'domain', 'address'], scope), name

-- name: stops_of_message
-- Of the addresses only the domain's home counts: a stop of another one holds nothing back.
{stops}
where (tenant_id is null or tenant_id = :tenant_id)
  and (scope in ('platform', 'tenant')
    or (scope = 'domain' and name = :domain)
    or (scope = 'address' and name = (
        select address from directory.homes where tenant_id = :tenant_id and domain = :domain)))
order by array_position(array['platform', 'tenant', 'domain', 'address'], scope), name

-- name: suppress
insert into suppression.entries (tenant_id, recipient, reason, source, added_at)
values (:tenant_id, :recipient, :reason, :source, :now)
on conflict do nothing
