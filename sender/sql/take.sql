-- From here on the lease is the worker's, and it is extended while the worker has the job in hand.
update queue.jobs as job
set lease_owner = :owner, lease_until = :until
from queue.payloads as payload
where job.id = :id and job.lease_token = :token and job.state = 'migrated_to_redis' and payload.job_id = job.id
returning job.id, job.tenant_id, job.attempt_count, job.expires_at, job.message_id, job.reason, payload.body
