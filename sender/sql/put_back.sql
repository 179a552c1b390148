-- From the moment before the hand-over: held by policy, deferred by a failure, or finished.
update queue.jobs
set state = :state, reason = :reason, run_at = coalesce(:run_at, run_at),
    attempt_count = attempt_count + :attempts, address = coalesce(:address, address),
    finished_at = :finished_at, updated_at = :now, lease_owner = null, lease_until = null
where id = :id and lease_token = :token and state = 'migrated_to_redis'
returning id
