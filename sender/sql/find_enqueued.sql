select id, request_digest from queue.jobs where tenant_id = :tenant_id and idempotency_key = :idempotency_key
