update queue.jobs set lease_until = :until
where id = any(:ids) and lease_owner = :owner and state in ('migrated_to_redis', 'handing_over')
