-- A repeated request (same tenant, same key) changes nothing and returns no row.
insert into queue.jobs (
    id, tenant_id, priority, state, run_at, expires_at, message_id, idempotency_key, request_digest,
    created_at, updated_at)
values (
    :id, :tenant_id, :priority, 'queued', :run_at, :expires_at, :message_id, :idempotency_key, :request_digest,
    :now, :now)
on conflict (tenant_id, idempotency_key) do nothing
returning id
