select at, kind, state, reason, message, details from queue.events where job_id = :id order by id
