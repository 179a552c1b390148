with old as (
    select id, reason from queue.jobs
    where state in ('queued', 'held', 'deferred') and expires_at <= :now
    limit :batch
    for update skip locked
)
update queue.jobs as job
set state = 'expired', finished_at = :now, updated_at = :now
from old
where job.id = old.id
returning job.id, job.tenant_id, old.reason
