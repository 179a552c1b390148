-- Most urgent first. Two migrators never take the same row, and a taken row carries a new token.
with due as (
    select id from queue.jobs
    where state in ('queued', 'held', 'deferred') and run_at <= :now and expires_at > :now
    order by priority, run_at, id
    limit :batch
    for update skip locked
)
update queue.jobs as job
set state = 'migrated_to_redis', lease_owner = :owner, lease_token = nextval('queue.lease_tokens'),
    lease_until = :until, updated_at = :now
from due
where job.id = due.id
returning job.id, job.tenant_id, job.priority, job.reason, job.lease_token
