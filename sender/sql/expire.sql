-- Also what was pushed, when nobody took it in time: it is not sent late.
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
