-- Most urgent first. Two migrators never take the same row, and a taken row carries a new token.
-- Priority by priority, so that what waits for a later time is never read: not every PostgreSQL
-- leaps over it in an index by itself.
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
