select job.id, job.tenant_id, job.priority, job.attempt_count, job.message_id, job.expires_at, payload.body
from queue.jobs as job join queue.payloads as payload on payload.job_id = job.id
where job.id = :id and job.lease_token = :token and job.state = 'migrated_to_redis'
