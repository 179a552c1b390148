-- What was pushed and not taken in time is pushed again under a new token; an old element is void.
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
