update queue.jobs set lease_until = :until where state = 'handing_over' and lease_owner = :owner
