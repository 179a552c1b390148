-- Nobody knows whether these left us, and nobody guesses. The token stays: a worker that was only
-- slow may still tell what it saw.
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
