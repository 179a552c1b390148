select job.id, job.tenant_id, job.state, job.reason, payload.body ->> 'from' as "from", payload.body ->> 'to' as "to",
    payload.body ->> 'subject' as subject, job.message_id, job.priority, job.attempt_count as attempts, job.run_at,
    job.address, job.queue_id, job.created_at, job.finished_at
from queue.jobs as job join queue.payloads as payload on payload.job_id = job.id
where job.id = cast(:id as uuid) or job.message_id = :message_id
order by job.id
limit 1
