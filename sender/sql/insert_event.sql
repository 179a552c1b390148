insert into queue.events (job_id, tenant_id, at, kind, state, reason, message, details)
values (:job_id, :tenant_id, :at, :kind, :state, :reason, :message, cast(:details as jsonb))
