insert into queue.payloads (job_id, tenant_id, body) values (:job_id, :tenant_id, cast(:body as jsonb))
