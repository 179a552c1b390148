-- Once, by the holder of the token. The reaper's `worker_lost` gives way to what the worker saw.
update queue.jobs
set state = :state, reason = :reason, run_at = coalesce(:run_at, run_at), queue_id = :queue_id,
    finished_at = :finished_at, updated_at = :now, lease_owner = null, lease_until = null
where id = :id and lease_token = :token
  and (state = 'handing_over' or (state = 'unknown' and reason = 'worker_lost'))
returning id
