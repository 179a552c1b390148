-- Written before the SMTP dialogue; whoever finds it after a crash knows that nobody knows.
update queue.jobs
set state = 'handing_over', reason = null, attempt_count = attempt_count + 1, address = :address,
    lease_owner = :owner, lease_until = :until, updated_at = :now
where id = :id and lease_token = :token and state = 'migrated_to_redis' and expires_at > :now
returning attempt_count
